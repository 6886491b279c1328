#include "http/route.h"

namespace corbel::http {

bool isAudited(const Route& route) {
  switch (route.options.audit) {
    case Audit::always:
      return true;
    case Audit::never:
      return false;
    case Audit::changes:
      break;
  }
  const bool reads = route.method == Method::get || route.method == Method::head;
  return !reads && !route.access.isOpen() && route.options.limit != LimitClass::inference;
}

}  // namespace corbel::http
