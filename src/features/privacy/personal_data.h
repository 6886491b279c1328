// Shows what is kept about one person, and erases it, wherever it lies: in the places that the
// parts of the program have told of.
//
// Promise: an erasure that was accepted is carried out, over kills of the program, and again after
// the restore of a backup that is older, before anything is served. It leaves a keyed hash of who
// it was, so that this is possible.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "base/secret.h"
#include "jobs/jobs.h"
#include "objects/objects.h"
#include "personal/personal.h"
#include "privacy/erasures_file.h"
#include "privacy/request.h"
#include "secrets/vault.h"
#include "store/store.h"

namespace corbel::privacy {

inline constexpr std::string_view kExportJob = "personal-data-export";
inline constexpr std::string_view kErasureJob = "personal-data-erasure";

struct NewRequest {
  std::string_view tenant;
  std::string_view principal;    // whom it is about
  std::string_view requestedBy;  // the caller's id
};

// Thread-safe. Owns the table of privacy_migrations.h. Functions wait for the store.
class PersonalData {
 public:
  // Everything must outlive it. Places are worked off in their order.
  struct Parts {
    store::Database& database;
    const jobs::Queue& queue;
    objects::ObjectStore& objects;
    secrets::Vault& vault;
    const audit::AuditLog& audit;
    const Clock& clock;
    std::vector<personal::Place> places;
    std::filesystem::path erasuresFile;
    std::chrono::milliseconds keepExports{std::chrono::hours(24)};
  };
  static Result<std::unique_ptr<PersonalData>> open(Parts parts, Deadline deadline);

  // Queues a job of kExportJob or kErasureJob; its id is the request's. invalid_argument: no id of
  // a user. unprocessable: the caller would erase himself. Bounds of the queue.
  Result<jobs::Job> ask(RequestKind kind, const NewRequest& request, Deadline deadline);
  // Newest first, ids below `before` ("": all).
  Result<std::vector<Request>> list(std::string_view tenant, std::string_view before, int limit,
                                    Deadline deadline) const;
  // The file of an export: a JSON object a line. not_found: no such export, not ready yet, or
  // expired.
  Result<objects::ObjectFile> openExport(std::string_view tenant, std::string_view id,
                                         Deadline deadline) const;
  const std::vector<personal::Place>& places() const { return parts_.places; }

  // What the two kinds of jobs do.
  Result<std::string> carryOut(jobs::Context& context);

  // Erases again, before anything is served, whom the file of erasures has and the database has
  // not: it is that of a backup. How many people were found again. failed_precondition: the file
  // is of another installation.
  Result<int> catchUp(Deadline deadline);
  // Removes exports that have expired; about once a minute.
  Result<void> removeExpired(Deadline deadline);

 private:
  class Erasure;
  class Export;

  PersonalData(Parts parts, Secret key);
  std::string hashOf(std::string_view tenant, std::string_view principal) const;
  secrets::Place placeOfSubject(const Request& request) const;
  Result<Request> find(std::string_view id, Deadline deadline) const;
  Result<personal::Person> personOf(const Request& request, Deadline deadline);
  Result<void> removeExport(Request request, Deadline deadline);
  Result<std::string> exportTo(jobs::Context& context, Request request, personal::Person person);
  Result<void> updateUnlessErased(const Request& request);
  Result<void> writeReport(const Request& request, Deadline deadline);
  Result<void> finishErasure(Request request, Deadline deadline);
  Result<void> eraseAgain(const Tombstone& tombstone, int& found, Deadline deadline);
  Tombstone tombstoneOf(const Request& request) const;
  personal::Place ownPlace();
  Deadline soon() const;

  Parts parts_;
  const Secret key_;
  const ErasuresFile file_;
};

// The kinds of jobs; `personalData` answers null until the program is put together.
std::vector<jobs::Kind> personalDataJobs(std::function<PersonalData*()> personalData);

}  // namespace corbel::privacy
