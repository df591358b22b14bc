-- What make would do, from nothing.
-- flavours: tidy

it("an object is made with its own flavour's headers of Lua, whatever needs it", function()
  local pipe <close> = assert(io.popen "make -nB build-lua55 2>&1")
  local later = {}
  for line in pipe:lines() do
    local flavour = line:match "%-o build/(%w+)/obj/core%.o"
    if flavour then later[flavour] = line:find("-Ibuild/lua-5.5/src ", 1, true) ~= nil end
  end
  assert.same({ test = false, lua55 = true }, later)
end)
