// Events and webhooks as data about whoever caused or made them.
#pragma once
#include "personal/personal.h"
#include "store/store.h"

namespace corbel::events {

// `database` must outlive the places. Erased after everything that sends events.
personal::Place personalWebhooks(store::Database& database);
personal::Place personalEvents(store::Database& database);

}  // namespace corbel::events
