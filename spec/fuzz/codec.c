/* The reader of parcels: garbage is refused or gives values, which come back as they are. */
#define SCRIPT "spec/fuzz/codec.lua"
#include "lua_target.h"
