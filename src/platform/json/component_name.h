// Names of schema components from C++ type names as the compiler spells them.
#pragma once
#include <string>
#include <string_view>

namespace corbel::json {

// "corbel::api::Page<corbel::api::ModelView>" is "ModelViewPage".
std::string componentName(std::string_view type);
// The same with the innermost namespace in front: "ApiModelViewPage".
std::string qualifiedComponentName(std::string_view type);

}  // namespace corbel::json
