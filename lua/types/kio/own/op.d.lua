---@meta kio.core.own.op
-- What csrc/op has for kio's own Lua half alone.

---@class kio.Own
local kio = {}

---kio.fs.readdir
---@async
---@param path string
---@param options? kio.Options
---@return { name: string, type: string }[]|nil
---@return string? message
---@return string? code
function kio.readdir(path, options) end

---Opens a file to be read, which cannot lie outside of that directory: "EXDEV", or "ELOOP" for the
---links of /proc. A fifo's other end is not waited for. "ENOSYS" before Linux 5.6.
---@async
---@param dirfd kio.Fd
---@param path string
---@param options? kio.Options
---@return kio.Fd|nil fd
---@return string? message
---@return string? code
function kio.open_below(dirfd, path, options) end

---kio.fs.symlink
---@async
---@param target string
---@param path string
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.symlink(target, path, options) end

---kio.fs.readlink
---@async
---@param path string
---@param options? kio.Options
---@return string|nil target
---@return string? message
---@return string? code
function kio.readlink(path, options) end

---kio.fs.realpath
---@async
---@param path string
---@param options? kio.Options
---@return string|nil path
---@return string? message
---@return string? code
function kio.realpath(path, options) end

---kio.fs.chmod
---@async
---@param path string
---@param mode integer
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.chmod(path, mode, options) end

---lseek(2): of regular files it never waits.
---@param fd kio.Fd
---@param whence "set"|"cur"|"end"|"data"|"hole"
---@param offset? integer
---@return integer|nil position
---@return string? message
---@return string? code
function kio.lseek(fd, whence, offset) end

---A descriptor that tells of changes, see inotify(7).
---@param path string
---@param mask integer
---@return kio.Fd|nil fd
---@return string? message
---@return string? code
function kio.inotify(path, mask) end

---Closes where nothing can wait: in finalizers.
---@param fd kio.Fd
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.close_now(fd) end

---The same values, an integer with who has the number now: what a handle written in Lua keeps, so
---that it cannot mean another descriptor once its number was closed. Operations take it for a
---number.
---@param fd kio.Fd|nil
---@param ... any
---@return integer|nil name
---@return any ...
function kio.name_fd(fd, ...) end

---The number of such a name; nil once it was closed.
---@param name integer
---@return kio.Fd|nil
function kio.fd_of_name(name) end
---@param dirfd kio.Fd
---@param name string
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.unlink_now(dirfd, name) end

---@async
---@param fd kio.Fd of a directory
---@param path string for messages
---@return { name: string, type: string }[]|nil list
---@return string? message
---@return string? code
function kio.readdir_open(fd, path) end

---@async
---@param fd kio.Fd of a link itself
---@param path string for messages
---@return string|nil target
---@return string? message
---@return string? code
function kio.readlink_open(fd, path) end

---@async
---@param fd kio.Fd
---@param path string for messages
---@param like kio.Fd|nil whose owner and group it gets
---@param mode integer|"like"|"keep" its permissions
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.access_set(fd, path, like, mode) end

---Puts methods of files into their class which do the usual calls themselves, and call the function
---of their name in the table for all others. `fail` makes the results of a failed read.
---@param class table
---@param methods { pread: function, pread_into: function }
---@param fail fun(file: kio.File, method: string, message: string, code: string): ...: any
function kio.file_at(class, methods, fail) end
