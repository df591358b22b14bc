-- What a spec does that has no meaning with a filter under its streams (KIO_FILTER): a pattern of
-- the file, one of the test's name, why, and with which filters; nil: with each.
local BY_NUMBER = "KIO_FILTER: descriptors pass beside a filter, and what comes by number has none"
local COUNTS = "KIO_FILTER: counts what the kernel was asked for, which are the filter's bytes"
local RESET = "KIO_FILTER: the end mark has come before the reset"
local FAULT = "KIO_FILTER: the fault lies between bytes of the filter's"

local MARK = "KIO_FILTER: it has its end mark to send"
local RECORDS = "KIO_FILTER: what is gathered leaves the stream a record at a time"
local CUT = "KIO_FILTER: of a record that is cut off nothing is decoded"
local ONE_TRY = "KIO_FILTER: one try brings a byte, and no whole record"
local COPIED = "KIO_FILTER: what it makes of a string lies elsewhere"
local NO_WAIT = "KIO_FILTER: the unread end mark resets the connection, which leaves no TIME_WAIT"

local STUTTER = "stutter stack tls" -- those with records and an end mark

return {
  { "net/write_spec", "^is told by ", RESET, STUTTER },
  { "net/write_spec", "^goes on when what was gathered", RECORDS, STUTTER },
  { "net/stream_spec", "^closes at once what has no output", MARK, STUTTER },
  { "net/listener_spec", "may bind the port at once", NO_WAIT, STUTTER },
  { "net/close_spec", "^at its deadline gives up the output", CUT, "tls" },
  { "net/stream_spec", "^whose output cannot leave by the end", CUT, "tls" },
  { "net/recv_spec", "^with a timeout of 0 takes what is there", ONE_TRY, "tls-chunk" },
  { "net/fds_spec", "", BY_NUMBER },
  { "net/handover_spec", "", BY_NUMBER },
  { "net/pin_spec", "^takes no buffer", COPIED },
  { "net/shared_spec", "", BY_NUMBER },
  { "net/known_bugs_spec", "tries once, whatever waits", BY_NUMBER },
  { "net/process_spec", "^where descriptors are passed", BY_NUMBER },
  { "net/spin_spec", "to a full socket keeps", BY_NUMBER },
  { "net/lend_spec", "^a busy stream goes on with larger", COUNTS },
  { "net/write_spec", "^returns when the kernel has taken", COUNTS },
  { "net/accepts_spec", "^gives connections that were reset", RESET, STUTTER },
  { "net/loop_error_spec", "stream's", RESET, STUTTER },
  { "net/option_spec", "resets the connection at close", RESET, STUTTER },
  { "net/recv_spec", "^tells of a reset once", RESET, STUTTER },
  { "net/send_fault_spec", "is told, whichever it is", FAULT, STUTTER },
}
