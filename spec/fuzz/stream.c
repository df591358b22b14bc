/* Reading a stream in pieces of any size gives what a model says about the whole. */
#define SCRIPT "spec/fuzz/stream.lua"
#include "lua_target.h"
