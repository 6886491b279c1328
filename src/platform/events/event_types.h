// Every type of event that the program sends, one line each. The catalogue of docs/events.md is
// checked against this table.
#pragma once
#include <array>
#include <string_view>

namespace corbel::events {

struct EventType {
  std::string_view name;
  std::string_view when;
  std::string_view data;  // members of the event's data
};

// clang-format off
inline constexpr EventType kModelCreated{"corbel.model.created", "A model was registered.", "id, name, actor"};
inline constexpr EventType kModelChanged{"corbel.model.changed", "Settings of a model were changed.", "id, name, revision, actor"};
inline constexpr EventType kModelArchived{"corbel.model.archived", "A model was archived.", "id, name, revision, actor"};
inline constexpr EventType kVersionAdded{"corbel.model.version.added", "A model got a version.", "id, name, version, sha256, actor"};
inline constexpr EventType kStageChanged{"corbel.model.stage.changed", "A version got another stage.", "id, name, version, stage, previous, actor"};
inline constexpr EventType kAliasMoved{"corbel.model.alias.moved", "An alias was set, moved, rolled back or removed.", "id, name, alias, version, previous, actor"};
inline constexpr EventType kKeyCreated{"corbel.key.created", "An API key was made.", "id, name, prefix, actor"};
inline constexpr EventType kKeyRotated{"corbel.key.rotated", "An API key got a new secret.", "id, name, prefix, actor"};
inline constexpr EventType kKeyRevoked{"corbel.key.revoked", "An API key was revoked.", "id, name, prefix, actor"};
inline constexpr EventType kJobSucceeded{"corbel.job.succeeded", "A job has ended well.", "id, kind, attempts, code, actor"};
inline constexpr EventType kJobFailed{"corbel.job.failed", "A job has failed for good; it can be tried again by hand.", "id, kind, attempts, code, actor"};
inline constexpr EventType kJobCancelled{"corbel.job.cancelled", "A job was cancelled.", "id, kind, attempts, code, actor"};
inline constexpr EventType kWebhookTest{"corbel.webhook.test", "Somebody asked for a test delivery.", "endpoint"};
// clang-format on

inline constexpr std::array kEventTypes = {
    kModelCreated, kModelChanged, kModelArchived, kVersionAdded, kStageChanged,
    kAliasMoved,   kKeyCreated,   kKeyRotated,    kKeyRevoked,   kJobSucceeded,
    kJobFailed,    kJobCancelled, kWebhookTest};

}  // namespace corbel::events
