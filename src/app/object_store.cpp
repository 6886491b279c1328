#include "app/object_store.h"

#include "jobs/jobs.h"
#include "models/registry.h"
#include "objects/s3_objects.h"

namespace corbel::app {

Result<std::unique_ptr<objects::ObjectStore>> openObjectStore(
    const config::Settings& settings, const Clock& clock,
    const resilience::DependencyParts* guard) {
  const config::S3Settings& s3 = settings.s3;
  if (s3.url.empty()) return objects::openLocalObjects(config::objectsFolder(settings), clock);
  return objects::openS3Objects({.url = s3.url,
                                 .bucket = s3.bucket,
                                 .region = s3.region,
                                 .accessKey = s3.accessKey,
                                 .secretKey = s3.secretKey,
                                 .prefix = s3.prefix,
                                 .caFile = s3.caFile,
                                 .cacheBytes = static_cast<std::int64_t>(s3.cache.count),
                                 .guard = guard},
                                config::objectCacheFolder(settings), clock);
}

std::unique_ptr<custody::Custody> openCustody(Installation& installation,
                                              objects::ObjectStore& objects) {
  auto custody = std::make_unique<custody::Custody>(custody::Custody::Parts{
      *installation.database, objects, installation.ids, installation.clock});
  custody->referredToBy(models::Registry::isReferenced);
  custody->referredToBy(jobs::Queue::isReferenced);
  return custody;
}

}  // namespace corbel::app
