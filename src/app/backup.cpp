#include "app/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "app/backup_database.h"
#include "app/database.h"
#include "app/object_store.h"
#include "app/version.h"
#include "archive/archive.h"
#include "crypto/sha256.h"
#include "json/decode.h"
#include "json/encode.h"
#include "objects/objects.h"

namespace corbel::app {

namespace {

constexpr int kFormat = 1;
constexpr std::string_view kManifest = "manifest.json";
constexpr std::string_view kObjects = "objects/";
constexpr std::size_t kManifestBytes = std::size_t{1} << 20;
constexpr std::size_t kPiece = std::size_t{256} * 1024;

Result<bool> isSound(const objects::ObjectFile& file, const objects::Digest& digest) {
  crypto::Sha256 hash;
  std::vector<std::byte> piece(kPiece);
  for (std::int64_t at = 0; at < file.sizeBytes();) {
    CORBEL_TRY(const std::size_t got, file.read(at, piece));
    if (got == 0) return false;
    hash.update(std::span<const std::byte>(piece).first(got));
    at += static_cast<std::int64_t>(got);
  }
  return crypto::hex(hash.finish()) == digest.hex();
}

Result<void> copyObject(archive::Writer& writer, const std::filesystem::path& folder,
                        const objects::ObjectInfo& info, BackupReport& report) {
  const auto file = objects::readLocalObject(folder, info.digest);
  // It was removed since the list was made: nothing of the copied database needs it.
  if (!file && file.error().code == ErrorCode::notFound) return {};
  if (!file) return std::unexpected(file.error());
  CORBEL_TRY(const bool sound, isSound(*file, info.digest));
  if (!sound) {
    report.damaged.push_back(info.digest.hex());
    return {};
  }
  CORBEL_CHECK(writer.begin(std::string(kObjects) + info.digest.hex(), file->sizeBytes()));
  std::vector<std::byte> piece(kPiece);
  for (std::int64_t at = 0; at < file->sizeBytes();) {
    CORBEL_TRY(const std::size_t got, file->read(at, piece));
    CORBEL_CHECK(writer.append(std::span<const std::byte>(piece).first(got)));
    at += static_cast<std::int64_t>(got);
  }
  ++report.objects;
  report.objectBytes += file->sizeBytes();
  return {};
}

std::chrono::milliseconds since(SteadyTime begin, const Clock& clock) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock.steady() - begin);
}

Result<BackupManifest> manifestIn(const archive::Reader& reader) {
  const auto text = reader.text(kManifest, kManifestBytes);
  const auto manifest =
      text ? json::decode<BackupManifest>(*text, json::Policy::lenient) : Result<BackupManifest>();
  if (!text || !manifest)
    return fail(ErrorCode::unprocessable, "The file is an archive, but not a backup of Corbel.");
  if (manifest->format > kFormat) {
    return fail(ErrorCode::failedPrecondition,
                fmt::format("The backup was made by Corbel {}, which is newer than this program. "
                            "Install that version, then restore.",
                            manifest->program));
  }
  return *manifest;
}

Result<void> requireKnownSchema(const BackupManifest& manifest) {
  const auto known = allMigrations();
  for (const BackupMigration& migration : manifest.migrations) {
    if (std::ranges::find(known, migration.version, &store::Migration::version) != known.end())
      continue;
    return fail(ErrorCode::failedPrecondition,
                fmt::format("The backup was made by Corbel {}, and its database has the migration "
                            "{} ({}), which this program does not know. Install that version, "
                            "then restore.",
                            manifest.program, migration.version, migration.name));
  }
  return {};
}

bool isThere(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

Result<void> writeObjects(const archive::Reader& reader, objects::ObjectStore& store,
                          BackupReport& report) {
  for (const archive::Member& member : reader.members()) {
    if (!member.name.starts_with(kObjects)) continue;
    CORBEL_TRY(auto writer, store.begin());
    CORBEL_CHECK(reader.read(
        member.name, [&](std::span<const std::byte> bytes) { return writer->append(bytes); }));
    CORBEL_TRY(const auto stored, writer->commit());
    if (stored.digest.hex() != member.name.substr(kObjects.size()))
      return fail(ErrorCode::unprocessable, "The file is damaged: " + member.name + ".");
    ++report.objects;
    report.objectBytes += stored.sizeBytes;
  }
  return {};
}

}  // namespace

Result<BackupReport> backUp(const config::Settings& settings, const std::filesystem::path& file,
                            const Clock& clock) {
  const SteadyTime begin = clock.steady();
  if (isThere(file)) {
    return fail(ErrorCode::alreadyExists,
                fmt::format("{} is there already; name another file", file.string()));
  }
  CORBEL_TRY(const auto database, copyDatabase(settings, file, clock));
  BackupManifest manifest = database->manifest();
  manifest.format = kFormat;
  manifest.program = std::string(kVersion);
  BackupReport report{.takenAt = manifest.takenAt};
  CORBEL_TRY(auto writer, archive::Writer::create(file, manifest.takenAt));
  CORBEL_CHECK(writer->add(std::string(kManifest), json::encode(manifest) + "\n"));
  CORBEL_CHECK(database->writeTo(*writer));
  for (const archive::Member& member : writer->members()) report.databaseBytes += member.sizeBytes;
  // Listed after the database was copied: whatever that refers to is there by now.
  const std::filesystem::path folder = config::objectsFolder(settings);
  CORBEL_TRY(const auto objects, objects::listLocalObjects(folder));
  for (const auto& info : objects) CORBEL_CHECK(copyObject(*writer, folder, info, report));
  CORBEL_CHECK(writer->finish());
  CORBEL_TRY(const auto reader, archive::Reader::open(file));
  CORBEL_CHECK(manifestIn(*reader));
  report.took = since(begin, clock);
  return report;
}

Result<BackupReport> restore(const config::Settings& settings, const std::filesystem::path& file,
                             Replace replace, const Clock& clock) {
  const SteadyTime begin = clock.steady();
  CORBEL_TRY(const auto reader, archive::Reader::open(file));
  CORBEL_TRY(const BackupManifest manifest, manifestIn(*reader));
  CORBEL_CHECK(requireKnownSchema(manifest));
  CORBEL_CHECK(requireRoom(settings, manifest, replace));
  std::error_code error;
  std::filesystem::create_directories(settings.data.folder, error);
  std::filesystem::permissions(settings.data.folder, std::filesystem::perms::owner_all, error);
  // Held by a server, and by this until the end: nobody uses the files meanwhile.
  auto objects = openObjectStore(settings, clock);
  if (!objects && objects.error().code == ErrorCode::unavailable) {
    return fail(ErrorCode::unavailable,
                "A server is running with this data folder: stop it, then restore.",
                objects.error().message);
  }
  if (!objects) return std::unexpected(objects.error());
  BackupReport report{.takenAt = manifest.takenAt};
  CORBEL_CHECK(writeObjects(*reader, **objects, report));
  CORBEL_TRY(report.databaseBytes, replaceDatabase(settings, manifest, *reader, clock));
  report.took = since(begin, clock);
  return report;
}

}  // namespace corbel::app
