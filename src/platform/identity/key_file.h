// The file that keeps the first key for the people who installed the program.
#pragma once
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace corbel::identity {

// `text` and a line end, mode 600; replaced whole or not at all, and on disk when this returns.
// permission_denied, insufficient_storage, internal: not written. The message names the file.
Result<void> writeKeyFile(const std::string& file, const Secret& text);
void removeKeyFile(const std::string& file);

}  // namespace corbel::identity
