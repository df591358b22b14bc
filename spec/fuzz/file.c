/* Reading a file by format gives what Lua's io library reads, and modes are the model's. */
#define SCRIPT "spec/fuzz/file.lua"
#include "lua_target.h"
