std = "lua54"
max_line_length = 100
exclude_files = { "build", "lua/types" }
files["lua/kio/init.lua"].globals = { "jit" } -- of LuaJIT, which it refuses
files["lua/kio"].ignore = { "211/_ENV" } -- used by every global
files["spec/**/*_spec.lua"].std = "+busted"
files["rockspec"].std = "+rockspec"
