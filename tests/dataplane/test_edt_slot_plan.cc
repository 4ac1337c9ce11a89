#include <map>
#include <random>
#include <utility>

#include <catch2/catch.hpp>

#include "node/dataplane/edt/slot_plan.hh"

using namespace std::chrono_literals;

namespace pleat {
namespace {

constexpr Instant kStart{100s};

// A plan whose owner folds and fills in a given time, driven by a clock of its own. It
// watches what the program would do with begins().
class Owner {
  public:
    explicit Owner(Duration fold = 0ms, Duration fill = 0ms, SlotPlan plan = SlotPlan{false})
        : fold_{fold}, fill_{fill}, plan_{std::move(plan)} {}

    Instant now() const { return now_; }

    SlotPlan::Ticket ask(std::uint32_t version, std::uint32_t epoch, Instant when) {
        plan_.ask({++tickets_, version, EpochId{epoch}, when}, now_);
        todo_.emplace(now_ + fold_, Todo{.folded = tickets_});
        go_on();
        return tickets_;
    }

    void run_until(Instant end) {
        while (true) {
            std::optional<Instant> next = plan_.next_instant(now_);
            if (!todo_.empty() && (!next || todo_.begin()->first < *next)) {
                next = todo_.begin()->first;
            }
            if (!next || *next > end) break;
            now_ = std::max(now_, *next);
            go_on();
        }
        now_ = end;
        go_on();
    }

    // The table that the program uses now.
    std::optional<SlotPlan::Ticket> in_force() {
        const std::optional<SlotPlan::Slot> slot = slot_in_force(now_);
        if (!slot) return std::nullopt;
        return content_[*slot];
    }

    const std::vector<SlotPlan::InForce>& reports() const { return reports_; }

    std::vector<SlotPlan::Ticket> reported() const {
        std::vector<SlotPlan::Ticket> result;
        result.reserve(reports_.size());
        for (const SlotPlan::InForce& one : reports_) result.push_back(one.table.ticket);
        return result;
    }

    SlotPlan& plan() { return plan_; }

    // How often the owner had to wait for programs under way.
    int waits() const { return waits_; }

  private:
    struct Todo {
        SlotPlan::Ticket folded = 0;
        std::optional<SlotPlan::Fill> filled{};
    };

    // The program's rule, over again.
    std::optional<SlotPlan::Slot> slot_in_force(Instant now) const {
        std::optional<SlotPlan::Slot> best;
        for (SlotPlan::Slot slot = 0; slot < EDT_SLOTS; ++slot) {
            const std::optional<Instant>& begin = plan_.begins()[slot];
            if (begin && *begin <= now && (!best || *begin > *plan_.begins()[*best])) best = slot;
        }
        return best;
    }

    void go_on() {
        while (!todo_.empty() && todo_.begin()->first <= now_) {
            const Todo todo = todo_.begin()->second;
            todo_.erase(todo_.begin());
            if (todo.filled) {
                content_[todo.filled->slot] = todo.filled->ticket;
                plan_.filled(todo.filled->slot, now_);
            } else {
                plan_.folded(todo.folded);
            }
            look();
        }
        look();
    }

    void look() {
        for (const SlotPlan::InForce& one : plan_.due(now_)) reports_.push_back(one);
        watch();
        while (const auto fill = plan_.next_fill(now_)) {
            // Rule (2): nobody reads it.
            CHECK(slot_in_force(now_) != fill->slot);
            CHECK_FALSE(plan_.begins()[fill->slot].has_value());
            if (left_.contains(fill->slot)) {
                const bool recent = now_ - left_[fill->slot] < SlotPlan::kRetirement;
                CHECK(fill->wait_for_readers == recent);
                if (recent) ++waits_;
            }
            content_[fill->slot] = 0;
            if (fill_ == 0ms) {
                content_[fill->slot] = fill->ticket;
                plan_.filled(fill->slot, now_);
                for (const SlotPlan::InForce& one : plan_.due(now_)) reports_.push_back(one);
                watch();
            } else {
                todo_.emplace(now_ + fill_, Todo{.filled = fill});
            }
        }
    }

    void watch() {
        const auto slot = slot_in_force(now_);
        if (slot == last_slot_) return;
        if (last_slot_) left_[*last_slot_] = now_;
        last_slot_ = slot;
    }

    Duration fold_;
    Duration fill_;
    SlotPlan plan_;
    Instant now_ = kStart;
    SlotPlan::Ticket tickets_ = 0;
    std::multimap<Instant, Todo> todo_;
    std::array<SlotPlan::Ticket, EDT_SLOTS> content_{};
    std::optional<SlotPlan::Slot> last_slot_;
    std::map<SlotPlan::Slot, Instant> left_;
    int waits_ = 0;
    std::vector<SlotPlan::InForce> reports_;
};

using Tickets = std::vector<SlotPlan::Ticket>;

TEST_CASE("a table for the past is in force as soon as it is filled, and says when") {
    Owner owner{5ms, 1ms};
    const auto table = owner.ask(1, 0, kStart - 1s);
    CHECK(owner.in_force() == std::nullopt);
    owner.run_until(kStart + 1s);
    CHECK(owner.in_force() == table);
    REQUIRE(owner.reports().size() == 1);
    CHECK(owner.reports()[0].table.when == kStart - 1s);
    CHECK(owner.reports()[0].actual == kStart + 6ms);
}

TEST_CASE("a table that is armed in time is in force at its very instant") {
    Owner owner{5ms, 1ms};
    const auto first = owner.ask(1, 0, kStart);
    const auto second = owner.ask(1, 1, kStart + 1s);
    owner.run_until(kStart + 1s - 1ns);
    CHECK(owner.in_force() == first);
    owner.run_until(kStart + 1s);
    CHECK(owner.in_force() == second);
    CHECK(owner.reported() == Tickets{first, second});
    CHECK(owner.reports()[1].actual == kStart + 1s);
}

TEST_CASE("of two with the same instant the later call wins, and the other is not reported") {
    Owner owner;
    const auto first = owner.ask(1, 0, kStart);
    owner.ask(1, 1, kStart + 1s);
    const auto last = owner.ask(2, 7, kStart + 1s);
    owner.run_until(kStart + 2s);
    CHECK(owner.in_force() == last);
    CHECK(owner.reported() == Tickets{first, last});
}

TEST_CASE("a prepared table of the same version and epoch is replaced, wherever it is") {
    const Duration fold = GENERATE(0ms, 10ms);
    Owner owner{fold, 10ms};
    const auto first = owner.ask(1, 0, kStart);
    owner.run_until(kStart + 100ms);
    owner.ask(1, 1, kStart + 200ms);
    const Duration later = GENERATE(0ms, 5ms, 15ms, 50ms);
    owner.run_until(kStart + 100ms + later);
    const auto last = owner.ask(1, 1, kStart + 300ms);
    owner.run_until(kStart + 299ms);
    CHECK(owner.in_force() == first);
    owner.run_until(kStart + 400ms);
    CHECK(owner.in_force() == last);
    CHECK(owner.reported() == Tickets{first, last});
}

TEST_CASE("the table in force is not replaced by one of its own name: that one comes after it") {
    Owner owner;
    const auto first = owner.ask(1, 0, kStart);
    const auto again = owner.ask(1, 0, kStart + 1s);
    owner.run_until(kStart + 500ms);
    CHECK(owner.in_force() == first);
    owner.run_until(kStart + 1s);
    CHECK(owner.in_force() == again);
}

TEST_CASE("a chain of epochs 20 ms apart is in force on time, far beyond the slots") {
    Owner owner{1ms, 1ms};
    for (std::uint32_t epoch = 0; epoch < 50; ++epoch) {
        owner.ask(1, epoch, kStart + 100ms + epoch * 20ms);
    }
    owner.run_until(kStart + 5s);
    REQUIRE(owner.reports().size() == 50);
    for (const SlotPlan::InForce& one : owner.reports()) CHECK(one.actual == one.table.when);
    CHECK(owner.waits() == 0);
}

TEST_CASE("who can wait for programs under way has a chain as fast as it fills slots") {
    Owner owner{1ms, 8ms, SlotPlan{true}};
    for (std::uint32_t epoch = 0; epoch < 50; ++epoch) {
        owner.ask(1, epoch, kStart + 100ms + epoch * 5ms);
    }
    owner.run_until(kStart + 5s);
    REQUIRE(owner.reports().size() == 50);
    for (const SlotPlan::InForce& one : owner.reports()) CHECK(one.actual == one.table.when);
    CHECK(owner.waits() > 40);
}

TEST_CASE("a slot that was left long ago needs no waiting") {
    Owner owner{1ms, 1ms, SlotPlan{true}};
    for (std::uint32_t epoch = 0; epoch < 20; ++epoch) {
        owner.ask(1, epoch, owner.now());
        owner.run_until(owner.now() + 100ms);
    }
    CHECK(owner.reports().size() == 20);
    CHECK(owner.waits() == 0);
}

TEST_CASE("a burst of epochs is on time as far as slots reach; then the lateness is told") {
    Owner owner{1ms, 1ms};
    owner.ask(1, 0, kStart);
    owner.run_until(kStart + 100ms);
    const Instant burst = kStart + 200ms;
    for (std::uint32_t i = 0; i < 10; ++i) owner.ask(1, 1 + i, burst + i * 100us);
    owner.run_until(kStart + 1s);
    REQUIRE(owner.reports().size() == 11);
    for (std::uint32_t i = 1; i <= 10; ++i) {
        const SlotPlan::InForce& one = owner.reports()[i];
        CHECK(one.table.epoch == EpochId{i});
        if (i < EDT_SLOTS) {
            CHECK(one.actual == one.table.when);
        } else {
            // All that are over take effect with the last one, when a slot is free again.
            CHECK(one.actual - burst > SlotPlan::kRetirement);
            CHECK(one.actual - burst < SlotPlan::kRetirement + 5ms);
        }
    }
    CHECK(owner.in_force() == 11);
}

TEST_CASE("a change by hand takes the slot of the farthest epoch, which still comes on time") {
    Owner owner{1ms, 1ms};
    for (std::uint32_t epoch = 0; epoch < 4; ++epoch) owner.ask(1, epoch, kStart + epoch * 1s);
    owner.run_until(kStart + 500ms);
    const auto by_hand = owner.ask(2, 0, kStart + 520ms);
    owner.run_until(kStart + 520ms);
    CHECK(owner.in_force() == by_hand);
    owner.run_until(kStart + 10s);
    REQUIRE(owner.reports().size() == 5);
    for (std::size_t i = 1; i < 5; ++i) {
        CHECK(owner.reports()[i].actual == owner.reports()[i].table.when);
    }
}

// Epochs 1, 2 (in force) and 3.
SlotPlan::LeftSlots left_slots() {
    SlotPlan::LeftSlots left;
    left[2] = SlotPlan::Left{.begins = kStart - 5s, .version = 1, .epoch = EpochId{2}};
    left[0] = SlotPlan::Left{.begins = kStart - 10s, .version = 1, .epoch = EpochId{1}};
    left[1] = SlotPlan::Left{.begins = kStart + 1s, .version = 1, .epoch = EpochId{3}};
    return left;
}

TEST_CASE("what an earlier owner left stays in force until something else does, and is reported") {
    Owner owner{1ms, 1ms, SlotPlan{GENERATE(false, true), left_slots()}};
    owner.run_until(kStart + 500ms);
    REQUIRE(owner.reported() == Tickets{0, 0});
    CHECK(owner.reports()[0].table.epoch == EpochId{1});
    CHECK(owner.reports()[1].table.epoch == EpochId{2});
    CHECK(owner.reports()[1].actual == kStart - 5s);
    CHECK(owner.plan().begins()[2] == kStart - 5s);
    // Another table for the instant takes the place of what was left for it.
    const auto other = owner.ask(1, 4, kStart + 1s);
    owner.run_until(kStart + 2s);
    CHECK(owner.in_force() == other);
    CHECK(owner.reported() == Tickets{0, 0, other});
}

TEST_CASE("what an earlier owner left and is asked for again is not written anew") {
    // Rows that take for ever: nothing waits for them.
    Owner owner{1h, 1h, SlotPlan{GENERATE(false, true), left_slots()}};
    const auto present = owner.ask(1, 2, kStart - 5s);
    const auto next = owner.ask(1, 3, kStart + 1s);
    CHECK(owner.plan().occupant(2) == present);
    CHECK(owner.plan().occupant(1) == next);
    owner.run_until(kStart + 2s);
    REQUIRE(owner.reported() == Tickets{0, present, next});
    CHECK(owner.reports()[1].actual == kStart - 5s);
    CHECK(owner.reports()[2].actual == kStart + 1s);
    CHECK(owner.plan().begins()[2] == std::nullopt);  // free again
    CHECK(owner.plan().begins()[1] == kStart + 1s);
}

TEST_CASE("a table that was left and has been followed by another is not in force again") {
    Owner owner{1ms, 1ms, SlotPlan{true, left_slots()}};
    const auto earlier = owner.ask(1, 1, kStart - 10s);
    const auto moved = owner.ask(1, 3, kStart + 2s);  // not for its instant
    owner.run_until(kStart + 1500ms);
    CHECK(owner.in_force() == earlier);
    owner.run_until(kStart + 3s);
    CHECK(owner.in_force() == moved);
    CHECK(owner.reported() == Tickets{0, 0, earlier, moved});
}

// The oracle: tables that are folded and filled in no time, in as many slots as one likes.
struct Ideal {
    struct Call {
        SlotPlan::Ticket ticket;
        std::uint32_t epoch;
        Instant when;
        Instant effective;
    };

    std::vector<Call> calls;

    void ask(SlotPlan::Ticket ticket, std::uint32_t epoch, Instant when, Instant now) {
        std::erase_if(calls, [&](const Call& one) {
            return one.effective > now && (one.epoch == epoch || one.when == when);
        });
        calls.push_back({ticket, epoch, when, std::max(when, now)});
    }

    SlotPlan::Ticket in_force(Instant now) const {
        const Call* best = nullptr;
        for (const Call& one : calls) {
            if (one.effective > now) continue;
            if (best == nullptr || one.effective >= best->effective) best = &one;
        }
        return best == nullptr ? 0 : best->ticket;
    }
};

TEST_CASE("whatever is asked, the table in force is the ideal one as soon as slots allow") {
    std::mt19937 random{GENERATE(range(0U, 40U))};
    const auto below = [&random](unsigned n) {
        return std::uniform_int_distribution{0U, n - 1}(random);
    };
    Owner owner{below(2) * 3ms, below(2) * 2ms, SlotPlan{below(2) == 1}};
    Ideal ideal;
    for (int step = 0; step < 60; ++step) {
        const std::uint32_t epoch = below(12);
        const Instant when = owner.now() + (static_cast<int>(below(40)) - 5) * 10ms;
        const Instant now = owner.now();
        ideal.ask(owner.ask(1, epoch, when), epoch, when, now);
        owner.run_until(owner.now() + below(4) * 30ms + 1us);
    }
    owner.run_until(owner.now() + 1s);
    CHECK(owner.in_force() == ideal.in_force(owner.now()));
    // In order, and none before its time.
    for (std::size_t i = 0; i < owner.reports().size(); ++i) {
        const SlotPlan::InForce& one = owner.reports()[i];
        CHECK(one.actual >= one.table.when);
        if (i > 0) CHECK(one.actual >= owner.reports()[i - 1].actual);
    }
}

}  // namespace
}  // namespace pleat
