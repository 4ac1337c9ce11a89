#include <catch2/catch.hpp>

#include "cli/output.hh"

namespace pleat {
namespace {

struct Captured {
    std::string data;
    std::string notes;

    Output output(OutputStyle style) {
        return Output{style, [this](std::string_view text) { data += text; },
                      [this](std::string_view text) { notes += text; }};
    }
};

TEST_CASE("data goes to one stream, everything else to the other") {
    Captured captured;
    {
        Output output = captured.output({});
        output.data("rows\n");
        output.note("a note");
        output.warning("take care");
        output.error("it failed");
    }
    CHECK(captured.data == "rows\n");
    CHECK(captured.notes == "a note\npleat: warning: take care\npleat: it failed\n");
}

TEST_CASE("quiet keeps warnings, errors and data") {
    Captured captured;
    {
        Output output = captured.output({.terminal = true, .quiet = true});
        output.note("a note");
        output.done("hosts", "6/6 ready", "0.1s");
        output.progress("running");
        output.error("it failed");
        output.data("rows\n");
    }
    CHECK(captured.data == "rows\n");
    CHECK(captured.notes == "pleat: it failed\n");
}

TEST_CASE("progress is shown on a terminal only") {
    Captured captured;
    Output output = captured.output({.terminal = false});
    output.progress("running 00:01");
    CHECK(captured.notes.empty());
}

TEST_CASE("whatever follows a progress line replaces it") {
    Captured captured;
    {
        Output output = captured.output({.terminal = true});
        output.progress("running 00:01");
        output.progress("running 00:02");
        output.note("done");
    }
    CHECK(captured.notes == "running 00:01\r\033[Krunning 00:02\r\033[Kdone\n");
}

TEST_CASE("a progress line that is left is removed at the end") {
    Captured captured;
    {
        captured.output({.terminal = true}).progress("running");
    }
    CHECK(captured.notes == "running\r\033[K");
}

TEST_CASE("a progress line never wraps, and is not cut within a character") {
    Captured captured;
    {
        Output output = captured.output({.terminal = true, .width = 5});
        output.progress("abc\u00e9\u00e9\u00e9");
    }
    CHECK(captured.notes == "abc\u00e9\r\033[K");
}

TEST_CASE("steps are aligned and coloured only where colour is wanted") {
    Captured plain;
    {
        plain.output({}).done("hosts", "6/6 ready", "0.1s");
    }
    CHECK(plain.notes == "✔ hosts      6/6 ready" + std::string(47, ' ') + "0.1s\n");
    Captured coloured;
    {
        coloured.output({.colour = true}).done("hosts", "6/6 ready", {});
    }
    CHECK(coloured.notes == "\033[32m✔\033[0m hosts      6/6 ready\n");
}

TEST_CASE("NO_COLOR, a dumb terminal and a file have no colour") {
    CHECK(wants_colour(true, nullptr, "xterm"));
    CHECK(wants_colour(true, "", nullptr));
    CHECK_FALSE(wants_colour(true, "1", "xterm"));
    CHECK_FALSE(wants_colour(true, nullptr, "dumb"));
    CHECK_FALSE(wants_colour(false, nullptr, "xterm"));
}

TEST_CASE("columns are counted in characters, not bytes") {
    CHECK(columns("±5 %") == 4);
    CHECK(padded("±5", 4) == "±5  ");
    CHECK(clipped("±5 %", 2) == "±5");
    CHECK(clipped("abc", 10) == "abc");
}

}  // namespace
}  // namespace pleat
