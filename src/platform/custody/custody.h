// Which objects are still needed, over all processes that share a database.
//
// Promise: an object that somebody holds, or that a row refers to, is not removed; one that nobody
// needs any more is, also where the process ended that should have done so. Whoever stores an
// object commits it here, writes the row that refers to it, and lets go of the hold. Whoever
// removes such a row lets go of the object in the same unit of work.
//
// How: holds and removals are rows. A hold is written before the object is, and not while a
// removal of the same content is under way; a removal is written only where neither a hold nor a
// reference is, and both are one unit of work each.
#pragma once
#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/result.h"
#include "objects/objects.h"
#include "store/migration.h"
#include "store/store.h"

namespace corbel::custody {

// While it lives, its object stays. The Custody that gave it must outlive it. When it goes it
// neither waits nor removes: what nobody needs then is found by the next sweep().
class Hold {
 public:
  Hold(store::Database& database, std::string id) : database_(&database), id_(std::move(id)) {}
  ~Hold();
  Hold(Hold&& other) noexcept
      : database_(other.database_), id_(std::exchange(other.id_, std::string())) {}
  Hold& operator=(Hold&&) = delete;
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  const std::string& id() const { return id_; }

 private:
  store::Database* database_;
  std::string id_;  // empty: moved from
};

struct KeptObject {
  objects::ObjectInfo info;
  Hold hold;
};

// Thread-safe; every function waits for the store. Owns the table of migrations().
class Custody {
 public:
  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    objects::ObjectStore& objects;
    IdSource& ids;
    const Clock& clock;
  };
  explicit Custody(Parts parts) : parts_(parts) {}

  // Whether a row refers to the object; asked within the unit of work that decides. Set before the
  // first use.
  using IsReferenced = std::function<Result<bool>(store::Reader&, std::string_view sha256)>;
  void referredToBy(IsReferenced isReferenced) { references_.push_back(std::move(isReferenced)); }

  // writer.commit(), with the object held for `lifetime` at most: the row that refers to it must be
  // there by then. aborted: a removal of the same content did not end before the deadline. Errors
  // of the store and the disk pass through.
  Result<KeptObject> commit(objects::ObjectWriter& writer, std::chrono::milliseconds lifetime,
                            Deadline deadline) const;
  // The object is not to be referred to: it goes at once where nobody else needs it. In doubt the
  // next sweep() looks again.
  void giveUp(KeptObject object, Deadline deadline) const;
  // For whoever removes a reference: part of that unit of work. The next sweep() looks whether
  // anybody else needs the object.
  Result<void> letGo(store::Transaction& tx, std::string_view sha256) const;
  // Removes what nobody needs any more of the objects whose holds are over; how many. Ends with the
  // first error, and goes on there the next time.
  Result<int> sweep(Deadline deadline) const;

 private:
  Result<bool> isReferenced(store::Reader& reader, std::string_view sha256) const;
  Result<Hold> hold(const objects::Digest& digest, std::chrono::milliseconds lifetime,
                    Deadline deadline) const;
  Result<bool> removeIfUnused(const objects::Digest& digest, Deadline deadline) const;
  Result<std::string> beginRemoval(std::string_view sha256, Deadline deadline) const;

  const Parts parts_;
  std::vector<IsReferenced> references_;
};

std::span<const store::Migration> migrations();

}  // namespace corbel::custody
