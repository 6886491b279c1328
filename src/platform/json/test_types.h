// Described types that several tests read and write.
#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "json/describe.h"

namespace corbel::json::test {

enum class Status { ready, failed, delete_ };
BOOST_DESCRIBE_ENUM(Status, ready, failed, delete_)

struct Feature {
  std::string name;
  double weight = 1;
  static constexpr auto rules() {
    return std::array{
        rule<&Feature::weight>({.doc = "How much it counts.", .min = 0, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(Feature, (), (name, weight))

struct Person {
  std::string name;
  int age = 0;
  std::optional<double> height;
  static constexpr auto rules() {
    return std::array{rule<&Person::name>({.example = R"("Ada")", .minLength = 1, .maxLength = 10}),
                      rule<&Person::age>({.doc = "In years.", .min = 0, .max = 130}),
                      rule<&Person::height>({.min = 0, .max = 3})};
  }
};
BOOST_DESCRIBE_STRUCT(Person, (), (name, age, height))

struct Everything {
  bool flag = false;
  std::int64_t whole = 0;
  float small = 0;
  double number = 0;
  std::string text;
  Timestamp time;
  Status status = Status::ready;
  Feature feature;
  std::vector<Feature> features;
  std::map<std::string, int> counts;
  std::optional<int> maybe;
  Raw raw;
  Document document;
};
BOOST_DESCRIBE_STRUCT(Everything, (),
                      (flag, whole, small, number, text, time, status, feature, features, counts,
                       maybe, raw, document))

struct Tree {
  int leaf = 0;
  std::vector<Tree> children;
  static constexpr auto rules() { return std::array{rule<&Tree::children>({.optional = true})}; }
};
BOOST_DESCRIBE_STRUCT(Tree, (), (leaf, children))

template <class T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> nextCursor;
  static constexpr auto rules() {
    return std::array{rule<&Page::nextCursor>({.doc = "null at the end.", .nullable = true})};
  }
  BOOST_DESCRIBE_CLASS(Page, (), (items, nextCursor), (), ())
};

struct PersonPatch {
  Patch<std::string> name;
  Patch<int> age;
};
BOOST_DESCRIBE_STRUCT(PersonPatch, (), (name, age))

struct Paging {
  int limit = 50;
  static constexpr auto rules() {
    return std::array{
        rule<&Paging::limit>({.doc = "Items on a page.", .min = 1, .max = 200, .optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(Paging, (), (limit))

struct ListPeople : Paging {
  std::optional<std::string> cursor;
  std::optional<Status> status;
  bool archived = false;
  static constexpr auto rules() {
    return std::array{rule<&ListPeople::archived>({.optional = true})};
  }
};
BOOST_DESCRIBE_STRUCT(ListPeople, (Paging), (cursor, status, archived))

}  // namespace corbel::json::test
