#include "open_files.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <limits>

namespace corbel::http {
namespace {

constexpr std::size_t kOtherFiles = 256;

}  // namespace

std::size_t raiseOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<std::size_t>::max();
  const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur;
}

std::size_t connectionsWithin(std::size_t limit, std::size_t wanted) {
  const auto room = limit >= 2 * kOtherFiles ? limit - kOtherFiles : limit / 2;
  return std::clamp<std::size_t>(wanted, 1, std::max<std::size_t>(room, 1));
}

}  // namespace corbel::http
