// Names of keys that tell nobody whose they are.
#pragma once
#include <string>
#include <string_view>

namespace corbel::redis {

// 32 hexadecimal digits of a hash of both: nobody finds two pairs with the same.
std::string keyName(std::string_view tenant, std::string_view name);

}  // namespace corbel::redis
