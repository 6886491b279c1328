// Jobs and schedules as data about whoever made them.
#pragma once
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>

#include "jobs/jobs.h"
#include "personal/personal.h"
#include "store/store.h"

namespace corbel::jobs {

// Everything must outlive the place.
struct PersonalJobsParts {
  store::Database& database;
  const Queue& queue;
  // Bytes of a file to `take`, in order.
  using Take = std::function<Result<void>(std::span<const std::byte> bytes)>;
  std::function<Result<void>(const JobFile& file, Deadline deadline, const Take& take)> readFile;
  // Told of every file of a job that is removed, in the unit of work that removes it.
  std::function<Result<void>(store::Transaction& tx, const JobFile& file)> letGo;
  // Removes the files that nobody needs any more.
  std::function<Result<void>(Deadline deadline)> sweep;
  std::string_view keptKind;  // of jobs that only lose the name, because they have to end
};

// Jobs that have not ended are cancelled and removed when they have.
personal::Place personalJobs(const PersonalJobsParts& parts);
personal::Place personalSchedules(store::Database& database);

}  // namespace corbel::jobs
