#include "app/backup_database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "app/database.h"
#include "base/descriptor.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "objects/objects.h"
#include "store/postgres_dump.h"
#include "store/snapshot.h"

namespace corbel::app {
namespace {

constexpr std::string_view kSqlite = "sqlite";
constexpr std::string_view kPostgres = "postgres";
constexpr std::string_view kFile = "database/corbel.db";
constexpr std::string_view kMigrationTable = "schema_migrations";
constexpr std::size_t kPiece = std::size_t{256} * 1024;

bool usesPostgres(const config::Settings& settings) {
  return !config::postgresUrl(settings).empty();
}

store::PostgresOptions postgresOptions(const config::Settings& settings) {
  return {.url = config::postgresUrl(settings), .schema = settings.store.schema};
}

std::string memberOf(std::string_view table) { return fmt::format("database/{}.copy", table); }

// Removed with its owner.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) { remove(); }
  ~TemporaryFile() { remove(); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  void remove() const {
    std::error_code error;
    std::filesystem::remove(path_, error);
  }
  const std::filesystem::path path_;
};

std::unexpected<Error> cannotWrite(const std::filesystem::path& file) {
  return fail(errno == ENOSPC ? ErrorCode::insufficientStorage : ErrorCode::permissionDenied,
              fmt::format("{} cannot be written", file.string()));
}

// A new file, written piece by piece.
class NewFile {
 public:
  explicit NewFile(std::filesystem::path path)
      : path_(std::move(path)),
        file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  Result<void> append(std::span<const std::byte> bytes) {
    if (!file_) return cannotWrite(path_);
    while (!bytes.empty()) {
      const ssize_t wrote = ::write(file_.number(), bytes.data(), bytes.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return cannotWrite(path_);
      bytes = bytes.subspan(static_cast<std::size_t>(wrote));
      sizeBytes_ += wrote;
    }
    return {};
  }
  Result<std::int64_t> finish() {
    if (!file_ || ::fsync(file_.number()) != 0) return cannotWrite(path_);
    return sizeBytes_;
  }

 private:
  const std::filesystem::path path_;
  const Descriptor file_;
  std::int64_t sizeBytes_ = 0;
};

Result<void> addFile(archive::Writer& writer, const std::string& name,
                     const std::filesystem::path& path, std::int64_t size) {
  const objects::ObjectFile file(Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), size);
  CORBEL_CHECK(writer.begin(name, size));
  std::vector<std::byte> piece(kPiece);
  for (std::int64_t at = 0; at < size;) {
    CORBEL_TRY(const std::size_t got, file.read(at, piece));
    if (got == 0) return fail(ErrorCode::internal, path.string() + " became shorter");
    CORBEL_CHECK(writer.append(std::span<const std::byte>(piece).first(got)));
    at += static_cast<std::int64_t>(got);
  }
  return {};
}

std::vector<BackupMigration> migrationsOf(const std::vector<store::AppliedMigration>& applied) {
  std::vector<BackupMigration> migrations;
  migrations.reserve(applied.size());
  for (const auto& migration : applied) migrations.push_back({migration.version, migration.name});
  return migrations;
}

class SqliteCopy final : public DatabaseCopy {
 public:
  explicit SqliteCopy(std::filesystem::path file) : copy_(std::move(file)) {}
  Result<void> take(const config::Settings& settings, const Clock& clock) {
    const auto database = std::filesystem::absolute(config::databaseFile(settings));
    CORBEL_TRY(snapshot_, store::copySqlite(database, copy_.path(), clock));
    return {};
  }
  BackupManifest manifest() const override {
    return {.takenAt = snapshot_.takenAt,
            .database = std::string(kSqlite),
            .migrations = migrationsOf(snapshot_.migrations)};
  }
  Result<void> writeTo(archive::Writer& writer) override {
    return addFile(writer, std::string(kFile), copy_.path(), snapshot_.sizeBytes);
  }

 private:
  const TemporaryFile copy_;
  store::Snapshot snapshot_;
};

class PostgresCopy final : public DatabaseCopy {
 public:
  PostgresCopy(std::unique_ptr<store::PostgresDump> dump, std::filesystem::path beside,
               Timestamp takenAt)
      : dump_(std::move(dump)), beside_(std::move(beside)), takenAt_(takenAt) {}
  BackupManifest manifest() const override {
    BackupManifest manifest{.takenAt = takenAt_,
                            .database = std::string(kPostgres),
                            .migrations = migrationsOf(dump_->migrations())};
    for (const auto& table : dump_->tables()) {
      if (table.name != kMigrationTable) manifest.tables.push_back({table.name, table.columns});
    }
    return manifest;
  }
  // A member's size stands before it.
  Result<void> writeTo(archive::Writer& writer) override {
    for (const auto& table : dump_->tables()) {
      if (table.name == kMigrationTable) continue;
      const TemporaryFile rows(beside_);
      NewFile file(rows.path());
      CORBEL_CHECK(
          dump_->copy(table, [&](std::span<const std::byte> bytes) { return file.append(bytes); }));
      CORBEL_TRY(const std::int64_t size, file.finish());
      CORBEL_CHECK(addFile(writer, memberOf(table.name), rows.path(), size));
    }
    return {};
  }

 private:
  const std::unique_ptr<store::PostgresDump> dump_;
  const std::filesystem::path beside_;
  const Timestamp takenAt_;
};

// What SQLite keeps beside the database, too.
std::vector<std::filesystem::path> filesOf(const std::filesystem::path& database) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const char* ending : {"", "-wal", "-shm", "-doubt", "-journal"}) {
    std::filesystem::path file = database;
    file += ending;
    if (std::filesystem::exists(file, error)) files.push_back(std::move(file));
  }
  return files;
}

// "replaced-20260131T120000000Z"
std::string nameOfReplaced(Timestamp now, char separator) {
  std::string stamp = toRfc3339(now);
  std::erase_if(stamp, [](char c) { return c == ':' || c == '.' || c == '-'; });
  return fmt::format("replaced{}{}", separator, stamp);
}

Result<void> moveAside(const std::filesystem::path& database, Timestamp now) {
  const std::filesystem::path folder = database.parent_path() / nameOfReplaced(now, '-');
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  for (const auto& file : filesOf(database)) {
    std::filesystem::rename(file, folder / file.filename(), error);
    if (!error) continue;
    return fail(ErrorCode::permissionDenied,
                fmt::format("{} cannot be moved to {}: {}", file.string(), folder.string(),
                            error.message()));
  }
  return {};
}

Result<std::int64_t> replaceSqlite(const config::Settings& settings, const archive::Reader& reader,
                                   const Clock& clock) {
  const auto database = std::filesystem::absolute(config::databaseFile(settings));
  std::filesystem::path beside = database;
  beside += ".restoring";
  const TemporaryFile copy(beside);
  NewFile file(copy.path());
  CORBEL_CHECK(
      reader.read(kFile, [&](std::span<const std::byte> bytes) { return file.append(bytes); }));
  CORBEL_TRY(const std::int64_t size, file.finish());
  CORBEL_CHECK(store::inspectSqlite(copy.path()));
  if (!filesOf(database).empty()) CORBEL_CHECK(moveAside(database, clock.now()));
  std::error_code error;
  std::filesystem::rename(copy.path(), database, error);
  const auto parent = database.parent_path();
  const Descriptor folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (error || !folder || ::fsync(folder.number()) != 0)
    return fail(ErrorCode::permissionDenied, database.string() + " cannot be made");
  return size;
}

// The tables as they were then; the program brings them up to date when it starts.
Result<void> makeTables(const store::PostgresOptions& options, const BackupManifest& manifest,
                        const Clock& clock) {
  std::vector<store::Migration> wanted;
  for (const store::Migration& migration : allMigrations()) {
    if (std::ranges::find(manifest.migrations, migration.version, &BackupMigration::version) !=
        manifest.migrations.end()) {
      wanted.push_back(migration);
    }
  }
  CORBEL_TRY(const auto database, store::openPostgres(options, clock));
  CORBEL_CHECK(store::migrateUp(*database, wanted, clock));
  return {};
}

Result<std::int64_t> replacePostgres(const config::Settings& settings,
                                     const BackupManifest& manifest, const archive::Reader& reader,
                                     const Clock& clock) {
  store::PostgresOptions options = postgresOptions(settings);
  const std::string name = options.schema;
  std::string aside = name + "_" + nameOfReplaced(clock.now(), '_');
  std::ranges::transform(aside, aside.begin(), lowerAscii);
  // Made beside what is there, which nothing touches until all of it is loaded.
  options.schema = name + "_restoring";
  CORBEL_CHECK(store::dropSchema(options));
  CORBEL_CHECK(makeTables(options, manifest, clock));
  std::vector<store::DumpedTable> tables;
  tables.reserve(manifest.tables.size());
  for (const BackupTable& table : manifest.tables) tables.push_back({table.name, table.columns});
  std::int64_t bytes = 0;
  CORBEL_CHECK(
      store::loadPostgres(options, tables, [&](const store::DumpedTable& table, const auto& row) {
        return reader.read(memberOf(table.name), [&](std::span<const std::byte> piece) {
          bytes += static_cast<std::int64_t>(piece.size());
          return row(piece);
        });
      }));
  CORBEL_CHECK(store::takePlace(options, name, aside));
  return bytes;
}

}  // namespace

Result<std::unique_ptr<DatabaseCopy>> copyDatabase(const config::Settings& settings,
                                                   const std::filesystem::path& beside,
                                                   const Clock& clock) {
  std::filesystem::path file = beside;
  file += ".database";
  if (usesPostgres(settings)) {
    const Timestamp takenAt = clock.now();
    CORBEL_TRY(auto dump, store::dumpPostgres(postgresOptions(settings)));
    return std::make_unique<PostgresCopy>(std::move(dump), std::move(file), takenAt);
  }
  auto copy = std::make_unique<SqliteCopy>(std::move(file));
  CORBEL_CHECK(copy->take(settings, clock));
  return copy;
}

Result<void> requireRoom(const config::Settings& settings, const BackupManifest& manifest,
                         Replace replace) {
  const bool postgres = usesPostgres(settings);
  if (manifest.database != (postgres ? kPostgres : kSqlite)) {
    return fail(ErrorCode::unprocessable,
                fmt::format("The backup is of a {} database, and store.url names a {} one.",
                            manifest.database, postgres ? kPostgres : kSqlite));
  }
  const auto database = std::filesystem::absolute(config::databaseFile(settings));
  bool used = !postgres && !filesOf(database).empty();
  if (postgres) {
    CORBEL_TRY(used, store::hasTables(postgresOptions(settings)));
  }
  if (!used || replace == Replace::yes) return {};
  const std::string what = postgres ? "the schema " + settings.store.schema : database.string();
  return fail(ErrorCode::alreadyExists,
              fmt::format("{} is there already: stop the server and add --force to replace it; it "
                          "is kept beside, under another name",
                          what));
}

Result<std::int64_t> replaceDatabase(const config::Settings& settings,
                                     const BackupManifest& manifest, const archive::Reader& reader,
                                     const Clock& clock) {
  return usesPostgres(settings) ? replacePostgres(settings, manifest, reader, clock)
                                : replaceSqlite(settings, reader, clock);
}

}  // namespace corbel::app
