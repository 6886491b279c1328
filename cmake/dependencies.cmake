# Third-party code as targets. `./dev setup` puts what no system package offers under build/deps.
set(CORBEL_DEPS ${CMAKE_SOURCE_DIR}/build/deps CACHE PATH "fetched dependencies")
if(NOT EXISTS ${CORBEL_DEPS}/boost/include)
  message(FATAL_ERROR "dependencies are missing under ${CORBEL_DEPS}: run ./dev setup")
endif()

find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(simdjson 3.0 REQUIRED)
find_package(GTest REQUIRED)

# toml++ as headers without exceptions: one file uses it, and the program needs no shared library for it.
find_path(TOML_INCLUDE toml++/toml.h REQUIRED)
add_library(toml INTERFACE)
target_include_directories(toml SYSTEM INTERFACE ${TOML_INCLUDE})
target_compile_definitions(toml INTERFACE TOML_HEADER_ONLY=1 TOML_EXCEPTIONS=0)

# Boost.Describe, header-only: what DTOs are described with.
add_library(describe INTERFACE)
target_include_directories(describe SYSTEM INTERFACE ${CORBEL_DEPS}/boost/include)

add_library(sqlite STATIC ${CORBEL_DEPS}/sqlite/sqlite3.c)
target_include_directories(sqlite SYSTEM PUBLIC ${CORBEL_DEPS}/sqlite)
target_compile_options(sqlite PRIVATE -w -O2)
target_compile_definitions(sqlite PRIVATE
  SQLITE_DQS=0 SQLITE_THREADSAFE=2 SQLITE_DEFAULT_MEMSTATUS=0 SQLITE_LIKE_DOESNT_MATCH_BLOBS SQLITE_OMIT_DEPRECATED
  SQLITE_OMIT_SHARED_CACHE SQLITE_OMIT_AUTOINIT SQLITE_OMIT_LOAD_EXTENSION SQLITE_USE_ALLOCA SQLITE_ENABLE_FTS5
  SQLITE_ENABLE_API_ARMOR SQLITE_DEFAULT_WAL_SYNCHRONOUS=2)

find_package(ZLIB 1.2 REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
add_library(zstd INTERFACE)
target_link_libraries(zstd INTERFACE ${ZSTD_LIBRARY})
find_path(PQ_INCLUDE libpq-fe.h PATH_SUFFIXES postgresql REQUIRED)
find_library(PQ_LIBRARY pq REQUIRED)
add_library(pq INTERFACE)
target_include_directories(pq SYSTEM INTERFACE ${PQ_INCLUDE})
target_link_libraries(pq INTERFACE ${PQ_LIBRARY})
# Redis: platform/redis alone uses it, for the protocol.
find_library(ARGON2_LIBRARY argon2 REQUIRED)
add_library(argon2 INTERFACE)
target_link_libraries(argon2 INTERFACE ${ARGON2_LIBRARY})
find_library(HIREDIS_LIBRARY hiredis REQUIRED)
add_library(hiredis INTERFACE)
target_link_libraries(hiredis INTERFACE ${HIREDIS_LIBRARY})
# Clients of message brokers: platform/events alone uses them, behind one sink each.
find_library(NATS_LIBRARY nats REQUIRED)
add_library(nats INTERFACE)
target_link_libraries(nats INTERFACE ${NATS_LIBRARY})
find_library(KAFKA_LIBRARY rdkafka REQUIRED)
add_library(kafka INTERFACE)
target_link_libraries(kafka INTERFACE ${KAFKA_LIBRARY})
find_library(MOSQUITTO_LIBRARY mosquitto REQUIRED)
add_library(mosquitto INTERFACE)
target_link_libraries(mosquitto INTERFACE ${MOSQUITTO_LIBRARY})
find_library(RABBITMQ_LIBRARY rabbitmq REQUIRED)
add_library(rabbitmq INTERFACE)
target_link_libraries(rabbitmq INTERFACE ${RABBITMQ_LIBRARY})

find_package(PNG 1.6 REQUIRED)
find_library(TURBOJPEG_LIBRARY turbojpeg REQUIRED)
add_library(turbojpeg INTERFACE)
target_link_libraries(turbojpeg INTERFACE ${TURBOJPEG_LIBRARY})

# Headers only: the library is opened at run time where it is installed.
add_library(onnxruntime INTERFACE)
target_include_directories(onnxruntime SYSTEM INTERFACE ${CORBEL_DEPS}/onnxruntime/include)
target_link_libraries(onnxruntime INTERFACE ${CMAKE_DL_LIBS})
file(CREATE_LINK ${CORBEL_DEPS}/onnxruntime/lib/libonnxruntime.so.1 ${CMAKE_BINARY_DIR}/libonnxruntime.so.1 SYMBOLIC)

find_package(CLI11 2.1 REQUIRED)
add_library(cli INTERFACE)
target_link_libraries(cli INTERFACE CLI11::CLI11)
