-- A step: count, means and sums of squared deviations (Welford), of a field whose state is one string.
local kept = redis.call('GET', KEYS[1])
local state = kept and cmsgpack.unpack(kept) or { k = 0, mean = {}, squares = {} }
state.k = state.k + 1
local novelty = 0
for n = 1, #ARGV do
  local x = tonumber(ARGV[n])
  local mean, squares = state.mean[n] or 0, state.squares[n] or 0
  local off = x - mean
  if state.k > 2 and squares > 0 then
    novelty = novelty + off * off * (state.k - 1) / squares
  end
  mean = mean + off / state.k
  state.mean[n], state.squares[n] = mean, squares + off * (x - mean)
end
redis.call('SET', KEYS[1], cmsgpack.pack(state))
return { state.k, tostring(math.sqrt(novelty / #ARGV)) }
