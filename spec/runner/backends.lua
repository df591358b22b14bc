-- What a spec does that has no meaning on epoll (KIO_BACKEND): a pattern of the file, one of the
-- test's name, and why.
local OF_URING = "KIO_BACKEND: it is about io_uring"

return {
  { "run/run_spec", "^sqpoll", OF_URING },
  { "run/sqpoll_spec", "", OF_URING },
  { "run/check/check_spec", "^describes the run's own ring", OF_URING },
  { "run/check/check_spec", "^tells of SQPOLL", OF_URING },
  { "run/check/refusal_spec", "", OF_URING },
  { "run/inspect/log_spec", "", OF_URING },
  { "stress/cancel_race_spec", "kernel thread that submits", OF_URING },
  { "process/known_bugs_spec", "written through a kernel thread", OF_URING },
  { "ring/differential_", "", "KIO_BACKEND: it names its rings itself" },
  { "net/lend_spec", "^nobody starves", OF_URING },
  { "fault/exit_spec", ", on sim$", "KIO_BACKEND: it is about the simulated ring" },
}
