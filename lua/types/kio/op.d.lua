---@meta kio.core.op
-- Operations on descriptors and names as they are, and calls that never wait (csrc/op).
-- The conventions are those at the head of kio.d.lua.

---@class kio.Public
local kio = {}

-- ---- descriptors: bytes ----
-- Without an offset at the current position, as read(2); with one the position stays, as pread(2).

---@async
---@param fd kio.Fd
---@param size integer at most this many bytes
---@param options? kio.Options
---@return string|nil data fewer bytes than asked is no error; nil without a message at the end
---@return string? message
---@return string? code
function kio.read(fd, size, options) end

---@async
---@param fd kio.Fd
---@param size integer
---@param offset integer
---@param options? kio.Options
---@return string|nil data
---@return string? message
---@return string? code
function kio.pread(fd, size, offset, options) end

---Into several strings, see readv(2).
---@async
---@param fd kio.Fd
---@param sizes integer[] 1 to 1024 of them
---@param options? kio.Options
---@return string[]|nil list nil without a message at the end
---@return string? message
---@return string? code
function kio.readv(fd, sizes, options) end

---@async
---@param fd kio.Fd
---@param sizes integer[]
---@param offset integer
---@param options? kio.Options
---@return string[]|nil list
---@return string? message
---@return string? code
function kio.preadv(fd, sizes, offset, options) end

---See write(2). A pipe nobody reads gives "EPIPE", never a signal.
---@async
---@param fd kio.Fd
---@param data string|kio.Buffer less than 2 GiB
---@param options? kio.Options
---@return integer|nil count bytes written; may be fewer than there are
---@return string? message
---@return string? code
function kio.write(fd, data, options) end

---@async
---@param fd kio.Fd
---@param data string|kio.Buffer
---@param offset integer
---@param options? kio.Options
---@return integer|nil count
---@return string? message
---@return string? code
function kio.pwrite(fd, data, offset, options) end

---From several strings, see writev(2).
---@async
---@param fd kio.Fd
---@param list string[] 1 to 1024 of them
---@param options? kio.Options
---@return integer|nil count
---@return string? message
---@return string? code
function kio.writev(fd, list, options) end

---@async
---@param fd kio.Fd
---@param list string[]
---@param offset integer
---@param options? kio.Options
---@return integer|nil count
---@return string? message
---@return string? code
function kio.pwritev(fd, list, offset, options) end

---Moves bytes that Lua does not see; one of the two must be a pipe. See splice(2). Waits until both
---are ready, and moves what can be moved then: what the other side does not take stays in the pipe.
---@async
---@param from kio.Fd
---@param from_offset integer|nil nil for a pipe, or at the current position
---@param to kio.Fd
---@param to_offset integer|nil
---@param size integer
---@param options? kio.Options
---@return integer|nil count 0 at the end
---@return string? message
---@return string? code
function kio.splice(from, from_offset, to, to_offset, size, options) end

-- ---- descriptors: the file itself ----

---Returns when what was written is on the device, see fsync(2).
---@async
---@param fd kio.Fd
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.fsync(fd, options) end

---The same without metadata that reading does not need, see fdatasync(2).
---@async
---@param fd kio.Fd
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.fdatasync(fd, options) end

---@async
---@param fd kio.Fd
---@param mode integer 0, or FALLOC_FL_ flags of kio.const; see fallocate(2)
---@param offset integer
---@param length integer
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.fallocate(fd, mode, offset, length, options) end

---See ftruncate(2). Before Linux 6.9 the plain call, which blocks.
---@async
---@param fd kio.Fd
---@param length integer
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.ftruncate(fd, length, options) end

---Closes. What other tasks have under way on fd ends with "EBADF" first, and a socket is shut down.
---Never refused to a cancelled task. A handle whose number it is is closed with it. The socket is
---not shut down: others may have it. 0, 1 and 2 become /dev/null.
---@async
---@param fd kio.Fd
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.close(fd) end

---Asks every operation under way on fd to end; each fails with "ECANCELED", unless it is done
---before.
---@param fd kio.Fd
---@return integer count
function kio.cancel(fd) end

---Waits for readiness, see poll(2).
---@async
---@param fd kio.Fd
---@param events string letters: r readable, w writable, p priority data, h hung up, e error
---@param options? kio.Options
---@return string|nil events those that are there
---@return string? message
---@return string? code
function kio.poll(fd, events, options) end

-- ---- names ----
-- `dirfd` nil: relative names begin at the working directory (AT_FDCWD).

---@async
---@param dirfd kio.Fd|nil
---@param path string
---@param flags integer O_ flags of kio.const; O_CLOEXEC is always added. See openat(2)
---@param mode? integer permissions of a new file, before the umask (438, that is octal 666)
---@param options? kio.Options
---@return kio.Fd|nil fd
---@return string? message
---@return string? code
function kio.openat(dirfd, path, flags, mode, options) end

---@async
---@param dirfd kio.Fd|nil
---@param path string
---@param flags? integer AT_REMOVEDIR for a directory. See unlinkat(2)
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.unlinkat(dirfd, path, flags, options) end

---@async
---@param dirfd kio.Fd|nil
---@param path string
---@param mode? integer permissions, before the umask (511, that is octal 777). See mkdirat(2)
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.mkdirat(dirfd, path, mode, options) end

---@async
---@param dirfd kio.Fd|nil
---@param path string
---@param dirfd2 kio.Fd|nil
---@param path2 string
---@param flags? integer RENAME_NOREPLACE or RENAME_EXCHANGE. See renameat2(2)
---@param options? kio.Options
---@return boolean|nil done
---@return string? message
---@return string? code
function kio.renameat(dirfd, path, dirfd2, path2, flags, options) end

---@class kio.Stat
---@field type "file"|"directory"|"link"|"fifo"|"socket"|"char"|"block"|"unknown"
---@field mode integer permission bits
---@field size integer bytes
---@field blocks integer of 512 bytes
---@field blksize integer preferred size of a transfer
---@field nlink integer names
---@field uid integer
---@field gid integer
---@field ino integer
---@field dev integer major number in the upper 32 bits, minor in the lower
---@field atime number seconds since 1970, with fractions: last read
---@field mtime number last written
---@field ctime number last changed in any way
---@field btime? number made, where the filesystem knows
---@field atime_ns? integer the same four exactly, in nanoseconds: times of 1677 to 2262
---@field mtime_ns? integer
---@field ctime_ns? integer
---@field btime_ns? integer
---@field direct_memory? integer with O_DIRECT, a buffer begins at a multiple of this in memory
---@field direct_offset? integer the same of offsets and sizes; both 0: there is no O_DIRECT

---@async
---@param dirfd kio.Fd|nil
---@param path string "" with AT_EMPTY_PATH: dirfd itself
---@param flags? integer AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. See statx(2)
---@param options? kio.Options
---@return kio.Stat|nil
---@return string? message
---@return string? code
function kio.statx(dirfd, path, flags, options) end

-- ---- calls that never wait, and need no task ----

---@return kio.Fd|nil reading see pipe2(2)
---@return kio.Fd|string writing or the message
---@return string? code
function kio.pipe() end

---The traceback of an error that has left a run, when it is a table or a userdata: such a value
---goes its way unchanged, while a string carries its traceback itself. Of the last run that it has
---left.
---@param err any
---@return string? traceback
function kio.traceback(err) end

---The numbers the raw operations take: openat(2), unlinkat(2), statx(2), renameat2(2), recv(2),
---send(2), fallocate(2).
---@class kio.Const
---@field O_RDONLY integer
---@field O_WRONLY integer
---@field O_RDWR integer
---@field O_APPEND integer
---@field O_CREAT integer
---@field O_EXCL integer
---@field O_TRUNC integer
---@field O_DIRECTORY integer
---@field O_NOFOLLOW integer
---@field O_DIRECT integer
---@field O_SYNC integer
---@field O_DSYNC integer
---@field O_PATH integer
---@field O_TMPFILE integer
---@field O_NOATIME integer
---@field O_NONBLOCK integer
---@field AT_REMOVEDIR integer
---@field AT_SYMLINK_NOFOLLOW integer
---@field AT_EMPTY_PATH integer
---@field RENAME_NOREPLACE integer
---@field RENAME_EXCHANGE integer
---@field MSG_PEEK integer
---@field MSG_OOB integer
---@field MSG_WAITALL integer
---@field MSG_DONTWAIT integer
---@field MSG_TRUNC integer
---@field MSG_MORE integer
---@field MSG_CTRUNC integer
---@field MSG_NOSIGNAL integer
---@field FALLOC_FL_KEEP_SIZE integer
---@field FALLOC_FL_PUNCH_HOLE integer
---@field FALLOC_FL_ZERO_RANGE integer
---@field FALLOC_FL_COLLAPSE_RANGE integer
