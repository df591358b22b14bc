---@meta kio.core.signal
-- The C half of kio.signal. Names of signals are written without SIG: "TERM", "HUP",
-- "RTMIN+3". KILL and STOP raise, for nobody can wait for them, and so do SEGV, BUS, FPE and ILL.

---@class kio.Own
local kio = {}

---What kio.signal.each gives the loop to close.
---@class kio.SignalWatch: userdata

---Waits for one of these signals, which are blocked in this thread meanwhile. Every task that waits
---for a signal gets it. Under kio.signal.
---@async
---@param name string
---@param ... string|kio.Options more names; options in last place
---@return string|nil name of the signal that came
---@return string? message
---@return string? code
---@see signalfd(2)
function kio.signal_wait(name, ...) end

---For a loop over signals: `for name in kio.signal.each("HUP") do`. They are watched from the call
---until the loop is left, so none is lost between two turns of it; of the same signal several in a
---row may come as one. Under kio.signal.
---@param name string
---@param ... string
---@return async fun(watch: kio.SignalWatch): string?
---@return kio.SignalWatch
---@return nil
---@return kio.SignalWatch closed by the loop
function kio.signal_each(name, ...) end
