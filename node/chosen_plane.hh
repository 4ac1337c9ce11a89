// The data plane of a run, by what it asks for and what this machine has (model/plane_choice).
#pragma once

#include <string>
#include <vector>

#include "base/error.hh"
#include "model/plane_choice.hh"
#include "wire/messages.hh"

namespace pleat {

// The scenario asks for what the data plane can't do.
class Unsuitable : public Failure {
  public:
    using Failure::Failure;
};

// `forced`: a plane's name; empty: the best. Throws MissingFeature when this machine has none,
// Unsuitable when none can do what is asked for, Failure when there is no such plane.
PlaneKind chosen_plane(const std::vector<Peer>& peers, const std::string& forced);

}  // namespace pleat
