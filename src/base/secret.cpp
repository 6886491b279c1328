#include "base/secret.h"

#include <cstring>

namespace corbel {

void Secret::wipe() {
  explicit_bzero(text_.data(), text_.size());
  text_.clear();
}

}  // namespace corbel
