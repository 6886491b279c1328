// Files with a secret for the people who installed the program.
#pragma once
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace corbel::secrets {

// `text` and a line end, mode 600; replaced whole or not at all, and on disk when this returns.
// permission_denied, insufficient_storage, internal: not written. The message names the file.
Result<void> writeKeyFile(const std::string& file, const Secret& text);
void removeKeyFile(const std::string& file);

// The whole text. not_found: there is no such file. permission_denied, payload_too_large (more than
// 64 KiB), internal: it cannot be read. The message names the file.
Result<Secret> readKeyFile(const std::string& file);

}  // namespace corbel::secrets
