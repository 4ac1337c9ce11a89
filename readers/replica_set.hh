// The square brackets of a pattern: which replicas, or which tag.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace pleat {

// "[0]", "[0..2]", "[0,3..4]", "[*]": inclusive ranges.
class ReplicaSet {
  public:
    // Of what is within the brackets. Nothing when it is no such list.
    static std::optional<ReplicaSet> parse(std::string_view inner);

    bool contains(std::uint32_t replica) const;

    bool all() const { return all_; }

  private:
    bool all_ = false;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges_;
};

// "client[0]" is {"client", "0"}. Nothing within when there are no brackets.
struct Bracketed {
    std::string_view base;
    std::optional<std::string_view> inner;
};

Bracketed split_brackets(std::string_view pattern);

}  // namespace pleat
