---Where a response sends who asked: whether that is followed, and what goes along.
local _ENV = require "kio.core".globals
local plans = require "kio.http.client.plan"
local url = require "kio.http.url"

local redirect = {}

local KINDS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- What was meant for one place alone.
local SECRETS = {
  authorization = true, cookie = true, ["proxy-authorization"] = true, host = true,
}
local OF_BODY = { ["content-type"] = true, ["content-encoding"] = true, ["content-language"] = true,
  ["content-location"] = true }

-- Whether this response may be followed by itself.
local function may_follow(plan, status)
  if plan.method == "GET" or plan.method == "HEAD" then return true end
  if status == 303 then return true end
  return (status == 307 or status == 308) and plan.replayable
end

local function drop_fields(plan, names)
  local kept = {}
  for _, field in ipairs(plan.fields) do
    local name = string.lower(field[1])
    if names[name] then plan.has[name] = nil else kept[#kept + 1] = field end
  end
  plan.fields = kept
end

-- Asks for the result of what was done.
local function become_get(plan)
  if plan.method ~= "HEAD" then plan.method = "GET" end
  plan.body, plan.length, plan.type, plan.expects = nil, nil, nil, nil
  plan.is_file, plan.streams, plan.replayable, plan.idempotent = false, false, true, true
  drop_fields(plan, OF_BODY)
end

---Points the plan at what the response names: true. False: it is no redirect, or not one that is
---followed. nil, message, code: it must not be.
---@param plan kio.http.Plan
---@param head kio.http.Head
---@return boolean|nil
---@return string? message
---@return string? code
function redirect.follow(plan, head)
  local status = head.status
  local location = KINDS[status] and plan.redirects and plan.redirects > 0 and head.headers.Location
  if not location or not may_follow(plan, status) then return false end
  if plan.left == 0 then return nil, "redirected too often", "ELOOP" end
  plan.left = (plan.left or plan.redirects) - 1
  local before = plan.url
  if status == 303 then become_get(plan) end
  local authorization = plan.authorization
  plan.authorization = nil
  local fine, wrong = plans.aim(plan, url.resolve(before, location))
  if not fine then return nil, "redirected to no URL: " .. wrong, "EPROTO" end
  if before.scheme == "https" and plan.url.scheme == "http" then
    return nil, "redirected from https to http", "EPERM"
  end
  if url.same_origin(before, plan.url) then plan.authorization = authorization
  else drop_fields(plan, SECRETS) end
  return true
end

return redirect
