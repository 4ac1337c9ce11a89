// RunLog: run.db of one run. Made when the run is accepted, filled when the nodes' logs
// are collected, in one transaction.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "controller/planner.hh"
#include "controller/run_archive.hh"

namespace pleat {

class RunLog {
  public:
    // Makes RUN_DIRECTORY/run.db. Throws Failure.
    RunLog(const RunPlan& plan, std::string_view now_utc);
    // Opens the one that an earlier controller has made; what it had collected is collected
    // anew. Throws Failure.
    explicit RunLog(const RunPlan& plan);
    ~RunLog();
    RunLog(const RunLog&) = delete;
    RunLog& operator=(const RunLog&) = delete;

    // All throw Failure, when the disk is full for example.
    void add(std::string_view machine, const LogRecord& record);
    void finish(const RunFinished& finished, std::string_view now_utc);

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
