// pleat: the command line. Reads what is asked for and hands it to the verb.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <variant>
#include <vector>

#include "cli/arguments.hh"
#include "cli/commands.hh"
#include "cli/output.hh"

namespace pleat {
namespace {

void write_to_stderr(std::string_view text) {
    // There is nowhere to complain to when this fails.
    static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

ExitCode run(const std::vector<std::string>& arguments) {
    OutputStyle style = style_of_stderr();
    const auto parsed = parse_command_line(arguments);
    if (const auto* const line = std::get_if<CommandLine>(&parsed)) {
        style.quiet = line->quiet;
        style.colour = style.colour && !line->no_colour;
    }
    Output output{style, write_to_stdout, write_to_stderr};
    try {
        ExitCode code = ExitCode::ok;
        if (const auto* const answer = std::get_if<Answer>(&parsed)) {
            if (!answer->error.empty()) output.error(answer->error);
            output.data(answer->data);
            code = answer->code;
        } else {
            code = std::visit([&output](const auto& verb) { return execute(verb, output); },
                              std::get<CommandLine>(parsed).verb);
        }
        flush_stdout();
        return code;
    } catch (const OutputClosed&) {
        return ExitCode::failed;
    } catch (const std::bad_alloc&) {
        output.error("out of memory");
        return ExitCode::failed;
    } catch (const std::exception& error) {
        output.error(error.what());
        return ExitCode::failed;
    }
}

}  // namespace
}  // namespace pleat

int main(int argc, char** argv) {
    // A reader that goes away (`pleat paths … | head`) is seen as a failed write.
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    try {
        return static_cast<int>(pleat::run({argv + 1, argv + argc}));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pleat: %s\n", error.what());
        return 1;
    }
}
