#include "privacy/personal_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <span>
#include <stop_token>
#include <utility>

#include "base/text.h"
#include "crypto/encoding.h"
#include "crypto/hmac.h"
#include "crypto/sha256.h"
#include "json/encode.h"
#include "privacy/request_store.h"

namespace corbel::privacy {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kUser = "user:";
constexpr std::size_t kPrincipalMax = 1'024;
constexpr std::string_view kKeyName = "personal-data";
constexpr std::string_view kPseudonym = "erased:";
constexpr milliseconds kOneStep{30'000};
// What runs in the person's name is told to stop, and looked at again.
constexpr milliseconds kPause{200};
constexpr int kPausesMax = 300;
// What was under way while a place was worked off may have come after.
constexpr int kRounds = 2;
constexpr int kRemovedAtOnce = 100;

void pause(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, kPause, [] { return false; });
}

std::unexpected<Error> stopped() { return fail(ErrorCode::aborted, "The job was stopped."); }

Result<void> checkPrincipal(RequestKind kind, const NewRequest& request) {
  if (!request.principal.starts_with(kUser) || request.principal.size() == kUser.size() ||
      request.principal.size() > kPrincipalMax) {
    return failField("/principal",
                     "must be the id of a user, as in \"user:ann\": see `principal` in the audit "
                     "log and `createdBy` of what they made");
  }
  if (kind == RequestKind::erasure && request.principal == request.requestedBy) {
    return fail(ErrorCode::unprocessable,
                "You cannot erase yourself, because this request would be about you, too. Ask "
                "another owner or admin.");
  }
  return {};
}

std::string pseudonymOf(std::string_view id) { return fmt::format("{}{}", kPseudonym, id); }

}  // namespace

// One person's way out, place by place.
class PersonalData::Erasure {
 public:
  Erasure(PersonalData& of, Request& request, personal::Person person)
      : of_(of), request_(request), person_(std::move(person)) {}

  // `tell` gets from 0 to 1 and the place.
  Result<void> run(const std::stop_token& stop,
                   const std::function<void(double, std::string_view)>& tell) {
    const auto& places = of_.parts_.places;
    for (int round = 0; round < kRounds; ++round) {
      for (std::size_t i = 0; i < places.size(); ++i) {
        const auto done = static_cast<double>(i + places.size() * static_cast<std::size_t>(round));
        tell(done / static_cast<double>(places.size() * kRounds), places[i].name);
        CORBEL_CHECK(erase(places[i], stop));
      }
    }
    return of_.parts_.database.scrub(of_.soon());
  }

 private:
  Result<void> erase(const personal::Place& place, const std::stop_token& stop) {
    request_.report.add(place.name, 0);
    for (int pauses = 0; pauses < kPausesMax;) {
      if (stop.stop_requested()) return stopped();
      CORBEL_TRY(const auto erased, place.erase(person_, of_.soon()));
      if (erased.count > 0) {
        request_.report.add(place.name, erased.count);
        CORBEL_CHECK(of_.writeReport(request_, of_.soon()));
      }
      if (!erased.again) return {};
      if (erased.count > 0) continue;
      ++pauses;
      pause(stop);
    }
    return fail(ErrorCode::unavailable,
                fmt::format("Something of {} still runs in the person's name.", place.name));
  }

  PersonalData& of_;
  Request& request_;
  const personal::Person person_;
};

// The file of an export: first who and when, then a line for each thing.
class PersonalData::Export {
 public:
  Export(PersonalData& of, personal::Person person) : of_(of), person_(std::move(person)) {}

  Result<void> run(jobs::Context& context, Request& request) {
    CORBEL_TRY(writer_, of_.parts_.objects.begin());
    personal::Record head;
    head.number("format", 1).text("tenant", person_.tenant).text("principal", person_.principal);
    CORBEL_CHECK(write(head.time("until", person_.until).text("request", request.id).finish()));
    const auto& places = of_.parts_.places;
    for (std::size_t i = 0; i < places.size(); ++i) {
      context.progress(static_cast<double>(i) / static_cast<double>(places.size()), "exporting",
                       places[i].name);
      CORBEL_CHECK(add(places[i], context, request.report));
    }
    CORBEL_CHECK(flush());
    // Known to the database before it is there, so that it is never lost sight of.
    request.sha256 = crypto::hex(hash_.finish());
    request.sizeBytes = bytes_;
    request.expiresAt = of_.parts_.clock.now() + of_.parts_.keepExports;
    CORBEL_CHECK(of_.updateUnlessErased(request));
    CORBEL_CHECK(writer_->commit());
    return {};
  }

 private:
  static constexpr std::size_t kBlockBytes = std::size_t{64} * 1024;

  Result<void> add(const personal::Place& place, jobs::Context& context, Report& report) {
    report.add(place.name, 0);
    if (!place.show) return {};
    const auto show = [&](std::string_view thing) -> Result<void> {
      if (context.stopped()) return stopped();
      report.add(place.name, 1);
      personal::Record line;
      return write(line.text("place", place.name).json("thing", thing).finish());
    };
    return place.show(person_, show, context.deadline());
  }

  Result<void> write(const std::string& line) {
    block_.append(line).append("\n");
    return block_.size() < kBlockBytes ? Result<void>() : flush();
  }

  Result<void> flush() {
    hash_.update(std::string_view(block_));
    bytes_ += static_cast<std::int64_t>(block_.size());
    CORBEL_CHECK(writer_->append(std::as_bytes(std::span(block_))));
    block_.clear();
    return {};
  }

  PersonalData& of_;
  const personal::Person person_;
  std::unique_ptr<objects::ObjectWriter> writer_;
  crypto::Sha256 hash_;
  std::string block_;
  std::int64_t bytes_ = 0;
};

PersonalData::PersonalData(Parts parts, Secret key)
    : parts_(std::move(parts)), key_(std::move(key)), file_(parts_.erasuresFile) {
  parts_.places.push_back(ownPlace());
}

Result<std::unique_ptr<PersonalData>> PersonalData::open(Parts parts, Deadline deadline) {
  // Made at the first start, so that every backup has it.
  CORBEL_TRY(Secret key, parts.vault.shared(kKeyName, deadline));
  return std::unique_ptr<PersonalData>(new PersonalData(std::move(parts), std::move(key)));
}

Deadline PersonalData::soon() const { return Deadline::after(parts_.clock, kOneStep); }

std::string PersonalData::hashOf(std::string_view tenant, std::string_view principal) const {
  const std::string message = fmt::format("{}:{}{}", tenant.size(), tenant, principal);
  return crypto::hex(crypto::hmacSha256(crypto::bytesOf(key_.reveal()), message));
}

secrets::Place PersonalData::placeOfSubject(const Request& request) const {
  return {.table = "personal_requests",
          .column = "subject",
          .tenant = request.tenant,
          .row = request.person};
}

Tombstone PersonalData::tombstoneOf(const Request& request) const {
  return {.id = request.id,
          .tenant = request.tenant,
          .person = request.person,
          .key = crypto::hex(crypto::sha256(key_.reveal())).substr(0, 16),
          .until = request.requestedAt};
}

Result<jobs::Job> PersonalData::ask(RequestKind kind, const NewRequest& asked, Deadline deadline) {
  CORBEL_CHECK(checkPrincipal(kind, asked));
  Request request{.id = {},
                  .tenant = std::string(asked.tenant),
                  .kind = kind,
                  .person = hashOf(asked.tenant, asked.principal),
                  .subject = {},
                  .requestedBy = std::string(asked.requestedBy),
                  .requestedAt = parts_.clock.now()};
  CORBEL_TRY(request.subject, parts_.vault.seal(placeOfSubject(request),
                                                Secret(std::string(asked.principal)), deadline));
  CORBEL_TRY(const std::string id,
             parts_.database.write(
                 [&](store::Transaction& tx) -> Result<std::string> {
                   CORBEL_TRY(
                       std::string job,
                       parts_.queue.add(
                           tx, {.tenant = asked.tenant,
                                .kind = kind == RequestKind::erasure ? kErasureJob : kExportJob,
                                .createdBy = asked.requestedBy,
                                .priority = 50}));
                   Request row = request;
                   row.id = job;
                   CORBEL_CHECK(rows::insert(tx, row));
                   tx.about(fmt::format("personal-data/{}s/{}", name(kind), job));
                   return job;
                 },
                 deadline));
  parts_.queue.wake();
  return parts_.queue.get(asked.tenant, id, deadline);
}

Result<std::vector<Request>> PersonalData::list(std::string_view tenant, std::string_view before,
                                                int limit, Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) { return rows::list(reader, tenant, before, limit); }, deadline);
}

Result<Request> PersonalData::find(std::string_view id, Deadline deadline) const {
  CORBEL_TRY(auto found,
             parts_.database.read([&](store::Reader& reader) { return rows::find(reader, id); },
                                  deadline));
  if (!found) return fail(ErrorCode::notFound, "There is no such request.");
  return *std::move(found);
}

Result<objects::ObjectFile> PersonalData::openExport(std::string_view tenant, std::string_view id,
                                                     Deadline deadline) const {
  const auto found = find(id, deadline);
  if (!found && found.error().code != ErrorCode::notFound) return std::unexpected(found.error());
  const bool isReady = found && found->tenant == tenant && found->finishedAt &&
                       !found->sha256.empty() && *found->expiresAt > parts_.clock.now();
  if (!isReady) {
    return fail(ErrorCode::notFound,
                "There is no such export, or it is not ready yet, or it has expired.");
  }
  CORBEL_TRY(const auto digest, objects::Digest::parse(found->sha256));
  return parts_.objects.open(digest, deadline);
}

Result<personal::Person> PersonalData::personOf(const Request& request, Deadline deadline) {
  CORBEL_TRY(const Secret principal,
             parts_.vault.unseal(placeOfSubject(request), request.subject, deadline));
  return personal::Person{.tenant = request.tenant,
                          .principal = std::string(principal.reveal()),
                          .until = request.requestedAt,
                          .pseudonym = pseudonymOf(request.id)};
}

Result<std::string> PersonalData::carryOut(jobs::Context& context) {
  CORBEL_TRY(Request request, find(context.job().id, soon()));
  if (request.finishedAt) return json::encode(request.report);
  if (request.subject.empty())
    return fail(ErrorCode::failedPrecondition, "The person was erased meanwhile.");
  CORBEL_TRY(personal::Person person, personOf(request, soon()));
  if (request.kind == RequestKind::exporting)
    return exportTo(context, std::move(request), std::move(person));
  CORBEL_CHECK(file_.add(tombstoneOf(request)));
  const auto tell = [&](double done, std::string_view place) {
    context.progress(done, "erasing", place);
  };
  CORBEL_CHECK(Erasure(*this, request, std::move(person)).run(context.stop(), tell));
  CORBEL_CHECK(finishErasure(request, soon()));
  return json::encode(request.report);
}

Result<std::string> PersonalData::exportTo(jobs::Context& context, Request request,
                                           personal::Person person) {
  CORBEL_CHECK(removeExport(request, soon()));  // of an attempt before this one
  request.report = {};
  CORBEL_CHECK(Export(*this, std::move(person)).run(context, request));
  request.finishedAt = parts_.clock.now();
  const auto finished = updateUnlessErased(request);
  if (finished) return json::encode(request.report);
  CORBEL_TRY(const auto digest, objects::Digest::parse(request.sha256));
  CORBEL_CHECK(parts_.objects.remove(digest));
  return std::unexpected(finished.error());
}

Result<void> PersonalData::updateUnlessErased(const Request& request) {
  return parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const auto now, rows::find(tx, request.id));
        if (now && !now->subject.empty()) return rows::update(tx, request);
        return fail(ErrorCode::failedPrecondition, "The person was erased meanwhile.");
      },
      soon());
}

Result<void> PersonalData::writeReport(const Request& request, Deadline deadline) {
  return parts_.database.write([&](store::Transaction& tx) { return rows::setReport(tx, request); },
                               deadline);
}

// Other processes look at what has changed when the audit log has grown.
Result<void> PersonalData::finishErasure(Request request, Deadline deadline) {
  request.subject.clear();
  request.finishedAt = parts_.clock.now();
  return parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_CHECK(rows::update(tx, request));
        return parts_.audit.append(tx, {.tenant = request.tenant,
                                        .principal = "corbel",
                                        .kind = "service",
                                        .action = "personal data erased",
                                        .object = "personal-data/erasures/" + request.id,
                                        .remote = {},
                                        .requestId = {},
                                        .code = {}});
      },
      deadline);
}

Result<void> PersonalData::removeExport(Request request, Deadline deadline) {
  if (request.sha256.empty()) return {};
  CORBEL_TRY(const auto digest, objects::Digest::parse(request.sha256));
  CORBEL_CHECK(parts_.objects.remove(digest));
  request.sha256.clear();
  request.sizeBytes = 0;
  request.expiresAt.reset();
  return parts_.database.write([&](store::Transaction& tx) { return rows::update(tx, request); },
                               deadline);
}

Result<void> PersonalData::removeExpired(Deadline deadline) {
  CORBEL_TRY(const auto expired, parts_.database.read(
                                     [&](store::Reader& reader) {
                                       return rows::expired(reader, parts_.clock.now(),
                                                            kRemovedAtOnce);
                                     },
                                     deadline));
  for (Request request : expired) {
    request.subject.clear();
    CORBEL_CHECK(removeExport(std::move(request), deadline));
  }
  return {};
}

Result<int> PersonalData::catchUp(Deadline deadline) {
  CORBEL_TRY(const auto tombstones, file_.read());
  int found = 0;
  for (const Tombstone& tombstone : tombstones) {
    const auto known = find(tombstone.id, deadline);
    if (known && known->finishedAt) continue;
    if (!known && known.error().code != ErrorCode::notFound) return std::unexpected(known.error());
    if (tombstone.key != tombstoneOf({}).key) {
      return fail(ErrorCode::failedPrecondition,
                  fmt::format("{} has erasures of another installation, or the database has lost "
                              "the key of this one: put the right file there",
                              parts_.erasuresFile.string()));
    }
    CORBEL_CHECK(eraseAgain(tombstone, found, deadline));
  }
  // What other processes have erased, or this one with another folder.
  CORBEL_TRY(const auto erased, parts_.database.read(
                                    [](store::Reader& reader) {
                                      return rows::erasedAfter(reader, Timestamp(), 100'000);
                                    },
                                    deadline));
  for (const Request& request : erased) {
    if (std::ranges::find(tombstones, request.id, &Tombstone::id) == tombstones.end())
      CORBEL_CHECK(file_.add(tombstoneOf(request)));
  }
  return found;
}

Result<void> PersonalData::eraseAgain(const Tombstone& tombstone, int& found, Deadline deadline) {
  std::vector<std::string> principals;
  for (const personal::Place& place : parts_.places) {
    if (!place.names) continue;
    CORBEL_TRY(const auto names, place.names(deadline));
    for (const personal::Name& name : names) {
      const bool isMeant = name.tenant == tombstone.tenant &&
                           hashOf(name.tenant, name.principal) == tombstone.person;
      if (isMeant && std::ranges::find(principals, name.principal) == principals.end())
        principals.push_back(name.principal);
    }
  }
  found += principals.empty() ? 0 : 1;
  Request request{.id = tombstone.id,
                  .tenant = tombstone.tenant,
                  .kind = RequestKind::erasure,
                  .person = tombstone.person,
                  .subject = {},
                  .requestedBy = {},
                  .requestedAt = tombstone.until};
  const auto known = find(tombstone.id, deadline);
  if (known) request = *known;
  if (!known) {
    CORBEL_CHECK(parts_.database.write(
        [&](store::Transaction& tx) { return rows::insert(tx, request); }, deadline));
  }
  for (const std::string& principal : principals) {
    const personal::Person person{.tenant = tombstone.tenant,
                                  .principal = principal,
                                  .until = tombstone.until,
                                  .pseudonym = pseudonymOf(tombstone.id)};
    CORBEL_CHECK(Erasure(*this, request, person).run({}, [](double, std::string_view) {}));
  }
  return finishErasure(request, deadline);
}

// Exports are about somebody, and requests are by somebody.
personal::Place PersonalData::ownPlace() {
  return {
      .name = "personal-data",
      .doc =
          "Exports about the person are removed; requests that the person made lose the "
          "name.",
      .tables = {"personal_requests"},
      .show = [this](const personal::Person& person, const personal::Show& show,
                     Deadline deadline) -> Result<void> {
        const auto page = [&](std::string_view after) {
          return parts_.database.read(
              [&](store::Reader& reader) { return rows::askedBy(reader, person, after); },
              deadline);
        };
        return personal::showPages(page, show);
      },
      .erase = [this](const personal::Person& person,
                      Deadline deadline) -> Result<personal::Erased> {
        CORBEL_TRY(const auto exports, parts_.database.read(
                                           [&](store::Reader& reader) {
                                             return rows::exportsAbout(
                                                 reader, hashOf(person.tenant, person.principal),
                                                 kRemovedAtOnce);
                                           },
                                           deadline));
        for (Request request : exports) {
          request.subject.clear();
          CORBEL_CHECK(parts_.database.write(
              [&](store::Transaction& tx) { return rows::update(tx, request); }, deadline));
          CORBEL_CHECK(removeExport(std::move(request), deadline));
        }
        CORBEL_TRY(const auto unnamed,
                   parts_.database.write(
                       [&](store::Transaction& tx) { return rows::unname(tx, person); }, deadline));
        return personal::Erased{static_cast<std::int64_t>(exports.size()) + unnamed,
                                exports.size() == std::size_t{kRemovedAtOnce}};
      },
      .names = [this](Deadline deadline) { return parts_.database.read(rows::names, deadline); }};
}

std::vector<jobs::Kind> personalDataJobs(std::function<PersonalData*()> personalData) {
  const auto run = [personalData =
                        std::move(personalData)](jobs::Context& context) -> Result<std::string> {
    PersonalData* const of = personalData();
    if (of == nullptr) return fail(ErrorCode::unavailable, "The server is starting.");
    return of->carryOut(context);
  };
  return {{.name = kErasureJob,
           .doc = "Erases what is kept about a person.",
           .start = jobs::Start::byRoute,
           .attemptsMax = 20,
           .deadline = std::chrono::hours(6),
           .check = {},
           .run = run},
          {.name = kExportJob,
           .doc = "Writes what is kept about a person to a file.",
           .start = jobs::Start::byRoute,
           .attemptsMax = 3,
           .deadline = std::chrono::hours(6),
           .check = {},
           .run = run}};
}

}  // namespace corbel::privacy
