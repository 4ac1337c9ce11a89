// pleat validate: every problem of topology files, each with its place.
#include <fmt/format.h>

#include "cli/commands.hh"
#include "cli/json.hh"
#include "cli/load.hh"

namespace pleat {

ExitCode execute(const ValidateArguments& arguments, Output& output) {
    ReadOptions options;
    options.variables = variables_of(arguments.variables);
    std::vector<ProblemRow> rows;
    std::size_t errors = 0;
    for (const std::string& file : arguments.files) {
        const ReadOutcome outcome = read_scenario(file, options);
        for (const Problem& problem : outcome.problems) {
            if (problem.severity == Problem::Severity::error) ++errors;
            if (arguments.json) {
                rows.push_back({problem.file, problem.line, problem.column,
                                severity_text(problem.severity), problem.code, problem.message,
                                problem.suggest});
            } else {
                output.complaint(render(problem, output.style().colour));
            }
        }
        if (outcome.scenario) output.done("valid", file, {});
    }
    if (arguments.json) output.data(problems_document(rows));
    return errors == 0 ? ExitCode::ok : ExitCode::invalid_topology;
}

}  // namespace pleat
