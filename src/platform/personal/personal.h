// Where data about a person lies. Every part of the program that keeps some says here how it is
// shown and how it goes; who shows and erases it knows no part by name.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"

namespace corbel::personal {

// Somebody in one tenant.
struct Person {
  std::string tenant;
  std::string principal;       // identity::Principal::id, as in "user:ann"
  Timestamp until;             // what came later is not meant
  std::string pseudonym = {};  // stands where the name stood, in what stays
};

struct Name {
  std::string tenant;
  std::string principal;
};

// How many things are looked at or changed at once.
inline constexpr int kAtOnce = 500;

// What one call of Place::erase has done.
struct Erased {
  std::int64_t count = 0;
  bool again = false;  // there may be more: call again, a moment later where nothing was done
};

// Gets one thing of the person, a JSON object; an error ends the showing.
using Show = std::function<Result<void>(std::string_view json)>;

// One place. Its functions are called by one thread at a time, and wait for the store.
struct Place {
  std::string_view name;                      // in exports and reports: "jobs"
  std::string_view doc;                       // what is erased, and what stays without the name
  std::vector<std::string_view> tables = {};  // all that it looks after
  // Everything it has of the person. None: nothing that could be shown.
  std::function<Result<void>(const Person& person, const Show& show, Deadline deadline)> show = {};
  // Erases some. Bears to be called again after any interruption.
  std::function<Result<Erased>(const Person& person, Deadline deadline)> erase = {};
  // Everybody whose name is there, in any order, and more than once where that is simpler.
  std::function<Result<std::vector<Name>>(Deadline deadline)> names = {};
};

// A table in which nothing is about a person, and why. Every other table belongs to a place.
struct TableWithoutPeople {
  std::string_view table;
  std::string_view reason;
};

// A thing as it is shown, and what pages go on behind.
struct Thing {
  std::string key;
  std::string json;
};
// Shows what `page` finds behind a key ("" at first), kAtOnce at the most, until it finds nothing.
using Page = std::function<Result<std::vector<Thing>>(std::string_view after)>;
Result<void> showPages(const Page& page, const Show& show);

// {"id":"…","at":"…"}, to be a thing.
class Record {
 public:
  Record& text(std::string_view name, std::string_view value);
  Record& number(std::string_view name, std::int64_t value);
  Record& time(std::string_view name, Timestamp value);
  // One JSON value that is known to be valid.
  Record& json(std::string_view name, std::string_view value);
  std::string finish() const { return json_ + "}"; }

 private:
  void member(std::string_view name);
  std::string json_ = "{";
};

}  // namespace corbel::personal
