// Lifeline: for callbacks that must not outlive their owner. A member of the owner; what it
// guards is called neither after an error nor once the owner is gone, also when the call was only
// waiting for its turn in the loop (a cancelled wait of Asio's does call then).
#pragma once

#include <memory>
#include <utility>

namespace pleat {

class Lifeline {
  public:
    // A handler of an error code for a call without arguments.
    template <typename Call>
    auto guard(Call call) const {
        return [alive = std::weak_ptr<int>{owner_},
                call = std::move(call)](const auto& error) mutable {
            if (!error && !alive.expired()) call();
        };
    }

  private:
    std::shared_ptr<int> owner_ = std::make_shared<int>();
};

}  // namespace pleat
