#include "audit/witness.h"

namespace corbel::audit {

Result<void> Witness::join(store::Transaction& tx) {
  if (committed_) return {};
  Act act = act_;
  if (!tx.object().empty()) act.object = tx.object();
  CORBEL_CHECK(log_.append(tx, act));
  tx.afterCommit([this] {
    committed_ = true;
    if (onCommitted_) onCommitted_();
  });
  return {};
}

}  // namespace corbel::audit
