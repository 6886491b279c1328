#include "models/signature_json.h"

#include "json/decode.h"
#include "json/encode.h"

namespace corbel::inference {

BOOST_DESCRIBE_ENUM(DataType, float32, float64, int64, int32, uint8, boolean, text)
BOOST_DESCRIBE_ENUM(ModelTask, classification, regression, other)
BOOST_DESCRIBE_STRUCT(TensorSpec, (), (name, type, shape))
BOOST_DESCRIBE_STRUCT(Signature, (),
                      (engine, format, task, inputs, outputs, featureNames, classLabels,
                       probabilities, labels, integerLabels, acceptsMissing))

}  // namespace corbel::inference

namespace corbel::models {

std::string toJson(const inference::Signature& signature) { return json::encode(signature); }

Result<inference::Signature> parseSignature(std::string_view json) {
  return json::decode<inference::Signature>(json);
}

}  // namespace corbel::models
