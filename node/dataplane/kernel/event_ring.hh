// EventRing: what the programs report of single packets, in a ring buffer of the kernel.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

struct ring_buffer;

namespace pleat {

class EventRing {
  public:
    // Of this map, which stays open as long. Throws Failure.
    explicit EventRing(int map);
    EventRing(EventRing&&) = delete;
    EventRing& operator=(EventRing&&) = delete;
    ~EventRing();

    // Readable when there are events.
    int descriptor() const;

    // Calls `take` for each event that is there; returns how many. Shorter ones than an Event are
    // none of ours.
    template <typename Event>
    std::size_t take(const std::function<void(const Event&)>& take) {
        return consume([&take](const void* event, std::size_t size) {
            if (size >= sizeof(Event)) take(*static_cast<const Event*>(event));
        });
    }

  private:
    struct Free {
        void operator()(ring_buffer* ring) const noexcept;
    };

    using Take = std::function<void(const void*, std::size_t)>;

    std::size_t consume(const Take& take);

    const Take* take_ = nullptr;
    std::unique_ptr<ring_buffer, Free> ring_;
};

}  // namespace pleat
