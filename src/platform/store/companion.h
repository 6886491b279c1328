// What belongs to every change that a thread makes for one call, and is committed with it: a line
// of the audit log, say. Joined here, because a parameter through all features would be forgotten
// in one of them.
#pragma once
#include "base/result.h"

namespace corbel::store {

class Transaction;

class Companion {
 public:
  virtual ~Companion() = default;
  // At the end of a unit that went well so far; on the same terms as UnitOfWork::apply. An error
  // undoes the unit.
  virtual Result<void> join(Transaction& tx) = 0;
};

// While it lives, the companion joins every unit that this thread writes with Database::write(fn,
// deadline), but for Database::writeAndWait(), which is for what is no part of a call's change. Of
// nested ones the innermost counts.
class Accompanied {
 public:
  explicit Accompanied(Companion& companion);
  ~Accompanied();
  Accompanied(const Accompanied&) = delete;
  Accompanied& operator=(const Accompanied&) = delete;

  // Of this thread; null: none.
  static Companion* companion();

 private:
  Companion* const outer_;
};

}  // namespace corbel::store
