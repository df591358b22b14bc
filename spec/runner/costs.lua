-- What a run has cost, in seconds of processor time: by flavour, and its dearest jobs.
local costs = {}

local DEAREST = 30
local FEW = 50 -- jobs whose own lines tell enough

function costs.new() return { jobs = {}, flavours = {} } end

function costs.add(all, name, flavour, cpu)
  all.jobs[#all.jobs + 1] = { name = name, cpu = cpu }
  if not all.flavours[flavour] then
    all.flavours[flavour] = { name = flavour, cpu = 0, count = 0 }
    table.insert(all.flavours, all.flavours[flavour])
  end
  local sum = all.flavours[flavour]
  sum.cpu, sum.count = sum.cpu + cpu, sum.count + 1
end

local function by_cpu(a, b) return a.cpu > b.cpu end

function costs.show(all)
  if #all.jobs <= FEW then return end
  table.sort(all.flavours, by_cpu)
  table.sort(all.jobs, by_cpu)
  print "\nprocessor time by flavour:"
  for _, sum in ipairs(all.flavours) do
    print(("%7.1fs  %s, jobs: %d"):format(sum.cpu, sum.name, sum.count))
  end
  print "and of the dearest jobs:"
  for i = 1, DEAREST do print(("%7.1fs  %s"):format(all.jobs[i].cpu, all.jobs[i].name)) end
end

return costs
