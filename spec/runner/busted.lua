-- Busted's command line as a plain Lua file: the executable of some distributions is a shell
-- script, and the sanitizers must be preloaded into the interpreter itself.
require "busted.runner" { standalone = false }
