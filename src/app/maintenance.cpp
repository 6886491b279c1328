#include "app/maintenance.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "app/backup.h"
#include "app/doctor.h"
#include "app/seed.h"
#include "base/timestamp.h"
#include "json/encode.h"

namespace corbel::app {
namespace {

constexpr double kMiB = 1 << 20;

int failed(const Error& error) {
  std::fprintf(stderr, "corbel: %s\n", error.message.c_str());
  return error.code == ErrorCode::internal ? kInternal : kConfiguration;
}

void print(const std::string& text) { std::printf("%s\n", text.c_str()); }

std::string toJson(const BackupReport& report, const std::string& file) {
  std::string json;
  json::Writer writer(json);
  writer.beginObject();
  writer.field("file", file);
  writer.field("takenAt", report.takenAt);
  writer.field("databaseBytes", report.databaseBytes);
  writer.field("objects", report.objects);
  writer.field("objectBytes", report.objectBytes);
  writer.key("damagedObjects");
  writer.beginArray();
  for (const std::string& damaged : report.damaged) writer.value(damaged);
  writer.endArray();
  writer.field("tookMs", report.took.count());
  writer.endObject();
  return json;
}

void writeNames(json::Writer& writer, std::string_view name,
                const std::vector<std::string>& names) {
  writer.key(name);
  writer.beginArray();
  for (const std::string& one : names) writer.value(one);
  writer.endArray();
}

std::string toJson(const SeedReport& report) {
  std::string json;
  json::Writer writer(json);
  writer.beginObject();
  writeNames(writer, "models", report.models);
  writeNames(writer, "keptModels", report.kept);
  writer.field("versions", report.versions);
  writer.field("jobs", report.jobs);
  writer.field("schedules", report.schedules);
  writer.endObject();
  return json;
}

std::string contentOf(const BackupReport& report) {
  return fmt::format("a database of {:.1f} MiB and {} objects of {:.1f} MiB",
                     static_cast<double>(report.databaseBytes) / kMiB, report.objects,
                     static_cast<double>(report.objectBytes) / kMiB);
}

std::string_view word(Health health) {
  static constexpr std::array<std::string_view, 3> kWords = {"ok", "warning", "failed"};
  return kWords[static_cast<std::size_t>(health)];
}

std::string toJson(const std::vector<Finding>& findings) {
  std::string json;
  json::Writer writer(json);
  writer.beginArray();
  for (const Finding& finding : findings) {
    writer.beginObject();
    writer.field("name", finding.name);
    writer.field("state", word(finding.health));
    writer.field("what", finding.what);
    if (!finding.mend.empty()) writer.field("mend", finding.mend);
    writer.endObject();
  }
  writer.endArray();
  return json;
}

int show(const std::vector<Finding>& findings, Output output) {
  if (output == Output::json) {
    print(toJson(findings));
  } else {
    for (const Finding& finding : findings) {
      print(fmt::format("{:8} {:13} {}", word(finding.health), finding.name, finding.what));
      if (!finding.mend.empty()) print(fmt::format("{:22} -> {}", "", finding.mend));
    }
  }
  const bool isBroken = std::ranges::any_of(
      findings, [](const Finding& finding) { return finding.health == Health::failed; });
  return isBroken ? kConfiguration : kOk;
}

}  // namespace

int backUp(const BackUp& command, const config::Settings& settings, Output output) {
  const SystemClock clock;
  const auto report = backUp(settings, command.file, clock);
  if (!report) return failed(report.error());
  if (output == Output::json) {
    print(toJson(*report, command.file));
  } else {
    print(fmt::format("{} holds {}; read again and sound.", command.file, contentOf(*report)));
    print(fmt::format("Recovery point: everything acknowledged before {}. It took {:.1f} s.",
                      toRfc3339(report->takenAt),
                      static_cast<double>(report->took.count()) / 1000));
  }
  if (!settings.s3.url.empty()) {
    std::fprintf(
        stderr,
        "corbel: model files and files of jobs are in the bucket %s and not in the backup: "
        "keep versions or a copy of the bucket\n",
        settings.s3.bucket.c_str());
  }
  for (const std::string& damaged : report->damaged)
    std::fprintf(stderr, "corbel: the object %s is damaged and is not in the backup\n",
                 damaged.c_str());
  return report->damaged.empty() ? kOk : kInternal;
}

int restore(const Restore& command, const config::Settings& settings, Output output) {
  const SystemClock clock;
  const auto report =
      restore(settings, command.file, command.force ? Replace::yes : Replace::no, clock);
  if (!report) return failed(report.error());
  if (output == Output::json) {
    print(toJson(*report, command.file));
    return kOk;
  }
  print(fmt::format("Restored {}.", contentOf(*report)));
  print(
      fmt::format("Recovery point: everything acknowledged before {}. Recovery time: {:.1f} s, "
                  "and the start of the server.",
                  toRfc3339(report->takenAt), static_cast<double>(report->took.count()) / 1000));
  return kOk;
}

int seed(const Seed& command, const config::Settings& settings, Output output) {
  const auto report = command.remove
                          ? unseed(settings)
                          : seed(settings, command.force ? BesideOthers::yes : BesideOthers::no);
  if (!report) return failed(report.error());
  if (output == Output::json) {
    print(toJson(*report));
    return kOk;
  }
  print(fmt::format("{} {} models ({}), {} jobs and {} schedules.",
                    command.remove ? "Removed" : "Made", report->models.size(),
                    fmt::join(report->models, ", "), report->jobs, report->schedules));
  for (const std::string& kept : report->kept)
    print(fmt::format("The model {} stays: somebody else has changed it.", kept));
  return kOk;
}

int examine(const config::Configuration& configuration, Output output) {
  const SystemClock clock;
  return show(examine(configuration, clock), output);
}

int showBadSettings(const Error& error, Output output) {
  return show({{"settings", Health::failed, error.message,
                "correct them; `corbel config` shows all settings"}},
              output);
}

}  // namespace corbel::app
