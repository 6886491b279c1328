// For tests: a disk that fails when told to. Between construction and destruction every SQLite file
// goes through it.
#pragma once
#include <sqlite3.h>

#include <atomic>

namespace corbel::store {

struct DiskMethods {
  const sqlite3_io_methods* real = nullptr;
  sqlite3_io_methods faulty = {};
};

class FaultyDisk {
 public:
  enum class Fault : int {
    none = SQLITE_OK,
    full = SQLITE_FULL,
    write = SQLITE_IOERR_WRITE,
    sync = SQLITE_IOERR_FSYNC,
    noSharedMemory = SQLITE_IOERR_SHMMAP,  // of files opened from then on
  };

  FaultyDisk() {
    sqlite3_initialize();
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.pNext = nullptr;
    vfs_.zName = "faulty";
    vfs_.xOpen = &open;
    sqlite3_vfs_register(&vfs_, 1);
    fault_ = Fault::none;
  }
  ~FaultyDisk() { sqlite3_vfs_unregister(&vfs_); }
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  // From now on; Fault::none mends it.
  void failWith(Fault fault) { fault_ = fault; }

 private:
  static const sqlite3_io_methods* real(sqlite3_file* file) {
    return file->pMethods == &database_.faulty ? database_.real : log_.real;
  }
  static int open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags,
                  int* outFlags) {
    const int result = real_->xOpen(real_, name, file, flags, outFlags);
    if (file->pMethods == nullptr) return result;
    // The database and its log have different tables: a place for each, told apart by shared
    // memory.
    DiskMethods* methods = file->pMethods->xShmMap != nullptr ? &database_ : &log_;
    methods->real = file->pMethods;
    methods->faulty = *methods->real;
    methods->faulty.xWrite = &write;
    methods->faulty.xSync = &sync;
    if (fault_ == Fault::noSharedMemory) methods->faulty.iVersion = 1;
    file->pMethods = &methods->faulty;
    return result;
  }
  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    const Fault fault = fault_;
    if (fault == Fault::full || fault == Fault::write) return static_cast<int>(fault);
    return real(file)->xWrite(file, bytes, count, offset);
  }
  static int sync(sqlite3_file* file, int flags) {
    if (fault_ == Fault::sync) return static_cast<int>(Fault::sync);
    return real(file)->xSync(file, flags);
  }

  static inline sqlite3_vfs* real_ = nullptr;
  static inline DiskMethods database_;
  static inline DiskMethods log_;
  static inline std::atomic<Fault> fault_ = Fault::none;
  sqlite3_vfs vfs_ = {};
};

}  // namespace corbel::store
