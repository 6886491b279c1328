// How many descriptors this process may have open.
#pragma once
#include <cstddef>

namespace corbel::http {

// Raises the limit as far as the process may (RLIMIT_NOFILE, soft to hard; shells start programs
// with 1024 for the sake of select(2), which nothing here uses) and returns it.
std::size_t raiseOpenFiles();

// What of `wanted` connections fits below `limit` with room for files, databases and children.
std::size_t connectionsWithin(std::size_t limit, std::size_t wanted);

}  // namespace corbel::http
