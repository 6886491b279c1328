// What the registry tells others of its changes.
#include "models/registry.h"

namespace corbel::models {

Result<void> Registry::tell(store::Transaction& tx, const Scope& scope,
                            const events::EventType& type, const Model& model,
                            std::initializer_list<events::DataMember> more) const {
  if (outbox_ == nullptr) return {};
  std::vector<events::DataMember> members{{"id", model.id}, {"name", model.name}};
  members.insert(members.end(), more.begin(), more.end());
  members.push_back({"actor", scope.actor});
  return outbox_->append(tx, {.type = type,
                              .tenant = scope.tenant,
                              .subject = "models/" + model.id,
                              .partitionKey = model.id,
                              .data = events::toData(members)});
}

Result<void> Registry::tellMove(store::Transaction& tx, const Scope& scope, const Model& model,
                                const AliasChange& change) const {
  const auto number = [](std::string_view name, std::optional<int> version) {
    return version ? events::DataMember{name, *version} : events::DataMember{name};
  };
  return tell(tx, scope, events::kAliasMoved, model,
              {{"alias", change.alias},
               number("version", change.version),
               number("previous", change.previous)});
}

void Registry::announce(ModelEvent event, const Scope& scope, const std::string& modelId) const {
  wakeOutbox();
  if (listener_) listener_(event, std::string(scope.tenant), modelId);
}

}  // namespace corbel::models
