#include <catch2/catch.hpp>

#include "controller/host_questions.hh"

using namespace pleat;

TEST_CASE("answers go to who asked, once, with his own ticket") {
    HostQuestions questions;
    const Caller one{.door = nullptr, .name = "one"};
    const Caller two{.door = nullptr, .name = "two"};
    const std::uint32_t first = questions.ask("r-1", one, 7);
    const std::uint32_t second = questions.ask("r-2", two, 7);
    CHECK(first != second);
    // As long as there is more to say.
    for (int i = 0; i < 2; ++i) CHECK(questions.whose(second) == std::pair{two, std::uint32_t{7}});
    CHECK(questions.answered(second) == std::pair{two, std::uint32_t{7}});
    CHECK_FALSE(questions.answered(second));
    CHECK_FALSE(questions.whose(second));
    CHECK_FALSE(questions.answered(second + 1));
    CHECK(questions.end("r-2").empty());
    CHECK(questions.end("r-1") == std::vector<Caller>{one});
    CHECK_FALSE(questions.answered(first));
}

TEST_CASE("questions that are never answered are forgotten in the end") {
    HostQuestions questions;
    const std::uint32_t first = questions.ask("r-1", Caller{.door = nullptr, .name = "one"}, 1);
    for (std::size_t i = 0; i < HostQuestions::kMost; ++i) {
        static_cast<void>(questions.ask("r-1", Caller{.door = nullptr, .name = "two"}, 1));
    }
    CHECK_FALSE(questions.answered(first));
    CHECK(questions.end("r-1").size() == HostQuestions::kMost);
}
