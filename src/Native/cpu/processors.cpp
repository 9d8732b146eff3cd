#include "cpu/processors.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#elif defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#endif

namespace hearth {

namespace {

int32_t hardware_threads() {
    return std::clamp(static_cast<int32_t>(std::thread::hardware_concurrency()), 1, kMaxThreads);
}

#if defined(__linux__)

constexpr size_t kMaskWords = 128;  // 8192 processors, more than any kernel is built for

// The calling thread's mask; empty where the system does not tell.
std::vector<uint64_t> affinity_mask() {
    std::vector<uint64_t> mask(kMaskWords, 0);
    if (sched_getaffinity(0, kMaskWords * sizeof(uint64_t), reinterpret_cast<cpu_set_t*>(mask.data())) != 0)
        mask.clear();
    return mask;
}

bool set_affinity_mask(const std::vector<uint64_t>& mask) {
    return sched_setaffinity(0, mask.size() * sizeof(uint64_t),
                             reinterpret_cast<const cpu_set_t*>(mask.data())) == 0;
}

std::vector<uint64_t> mask_of(int32_t processor) {
    std::vector<uint64_t> mask(kMaskWords, 0);
    const auto bit = static_cast<size_t>(processor);
    if (bit / 64 < mask.size()) mask[bit / 64] = uint64_t{1} << (bit % 64);
    return mask;
}

std::vector<int32_t> allowed_processors() {
    std::vector<int32_t> numbers;
    const std::vector<uint64_t> mask = affinity_mask();
    for (size_t i = 0; i < mask.size() * 64; ++i)
        if ((mask[i / 64] >> (i % 64)) & 1) numbers.push_back(static_cast<int32_t>(i));
    return numbers;
}

// What tells a processor's physical core: -1 -1 where the system does not say.
std::pair<int, int> core_of(const std::string& root, int32_t processor) {
    const std::string folder =
        root + "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/";
    int package = -1, core = -1;
    std::ifstream(folder + "physical_package_id") >> package;
    std::ifstream(folder + "core_id") >> core;
    return {package, core};
}

// The quota of one group in processors, or 0 for none.
double quota_v2(const std::string& folder) {
    std::ifstream file(folder + "/cpu.max");
    std::string quota;
    double period = 0;
    if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
    return std::max(0.0, std::strtod(quota.c_str(), nullptr) / period);
}

double quota_v1(const std::string& folder) {
    double quota = 0, period = 0;
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
    return quota > 0 && period > 0 ? quota / period : 0;
}

// The least quota of a group and all above it. Inside a container the group's path may be the host's, which
// is not there; the mount's own top is the container's then, and comes last.
double least_quota(const std::string& mount, std::string group, double (*quota_of)(const std::string&)) {
    double least = 0;
    for (;;) {
        while (!group.empty() && group.back() == '/') group.pop_back();
        if (const double quota = quota_of(mount + group); quota > 0 && (least == 0 || quota < least))
            least = quota;
        if (group.empty()) return least;
        group.erase(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
    }
}

bool names_cpu(const std::string& controllers) {
    std::istringstream list(controllers);
    for (std::string name; std::getline(list, name, ',');)
        if (name == "cpu") return true;
    return false;
}

#endif

}  // namespace

#if defined(__linux__)

Processors find_processors(const std::string& root) {
    Processors found;
    std::vector<int32_t> siblings;
    std::set<std::pair<int, int>> seen;
    for (const int32_t number : allowed_processors()) {
        const std::pair<int, int> core = core_of(root, number);
        const bool is_first = core == std::pair{-1, -1} || seen.insert(core).second;
        (is_first ? found.numbers : siblings).push_back(number);
    }
    if (found.numbers.empty())
        for (int32_t i = 0; i < hardware_threads(); ++i) found.numbers.push_back(i);
    found.cores = static_cast<int32_t>(found.numbers.size());
    found.numbers.insert(found.numbers.end(), siblings.begin(), siblings.end());
    return found;
}

double container_quota(const std::string& root) {
    const std::string mount = root + "/sys/fs/cgroup";
    double least = 0;
    const auto count = [&least](double quota) {
        if (quota > 0 && (least == 0 || quota < least)) least = quota;
    };
    // Lines of "number:controllers:path"; cgroup v2's names no controllers.
    std::ifstream groups(root + "/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        const size_t first = line.find(':');
        const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string group = line.substr(second + 1);
        if (controllers.empty())
            count(least_quota(mount, group, quota_v2));
        else if (names_cpu(controllers))
            for (const std::string& folder : {std::string("cpu"), controllers})
                count(least_quota(mount + "/" + folder, group, quota_v1));
    }
    return least;
}

bool pin_thread(int32_t processor) {
    return set_affinity_mask(mask_of(processor));
}

PinnedScope::PinnedScope(int32_t processor) {
    if (processor < 0) return;
    before_ = affinity_mask();
    pinned_ = !before_.empty() && pin_thread(processor);
}

PinnedScope::~PinnedScope() {
    if (pinned_) set_affinity_mask(before_);
}

#elif defined(_WIN32)

namespace {

// Calls body with each core of this process's group of processors.
template <typename Body>
void for_cores(Body&& body) {
    DWORD size = 0;
    GetLogicalProcessorInformation(nullptr, &size);
    std::vector<SYSTEM_LOGICAL_PROCESSOR_INFORMATION> entries(size /
                                                              sizeof(SYSTEM_LOGICAL_PROCESSOR_INFORMATION));
    if (entries.empty() || !GetLogicalProcessorInformation(entries.data(), &size)) return;
    for (const auto& entry : entries)
        if (entry.Relationship == RelationProcessorCore) body(static_cast<uint64_t>(entry.ProcessorMask));
}

}  // namespace

Processors find_processors(const std::string&) {
    DWORD_PTR process = 0, system = 0;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &process, &system)) process = 0;
    Processors found;
    std::vector<int32_t> siblings;
    for_cores([&](uint64_t core) {
        bool is_first = true;
        for (int32_t i = 0; i < 64; ++i) {
            if (((core & process) >> i & 1) == 0) continue;
            (is_first ? found.numbers : siblings).push_back(i);
            is_first = false;
        }
    });
    if (found.numbers.empty())
        for (int32_t i = 0; i < hardware_threads(); ++i) found.numbers.push_back(i);
    found.cores = static_cast<int32_t>(found.numbers.size());
    found.numbers.insert(found.numbers.end(), siblings.begin(), siblings.end());
    return found;
}

// A job's hard cap on processor time, in hundredths of a percent of all processors.
double container_quota(const std::string&) {
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION rate{};
    if (!QueryInformationJobObject(nullptr, JobObjectCpuRateControlInformation, &rate, sizeof rate, nullptr))
        return 0;
    constexpr DWORD kCapped = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
    return (rate.ControlFlags & kCapped) == kCapped ? rate.CpuRate / 10000.0 * hardware_threads() : 0;
}

bool pin_thread(int32_t processor) {
    return processor < 64 && SetThreadAffinityMask(GetCurrentThread(), DWORD_PTR{1} << processor) != 0;
}

PinnedScope::PinnedScope(int32_t processor) {
    if (processor < 0 || processor >= 64) return;
    const DWORD_PTR before = SetThreadAffinityMask(GetCurrentThread(), DWORD_PTR{1} << processor);
    pinned_ = before != 0;
    before_ = {before};
}

PinnedScope::~PinnedScope() {
    if (pinned_) SetThreadAffinityMask(GetCurrentThread(), static_cast<DWORD_PTR>(before_.front()));
}

#else

Processors find_processors(const std::string&) {
    Processors found;
    for (int32_t i = 0; i < hardware_threads(); ++i) found.numbers.push_back(i);
    found.cores = static_cast<int32_t>(found.numbers.size());
    return found;
}

double container_quota(const std::string&) {
    return 0;
}

// macOS has hints but no pinning.
bool pin_thread(int32_t) {
    return false;
}

PinnedScope::PinnedScope(int32_t) {}
PinnedScope::~PinnedScope() = default;

#endif

int32_t threads_within(size_t processors, double quota) {
    int32_t count = static_cast<int32_t>(std::min(processors, static_cast<size_t>(kMaxThreads)));
    // Threads that share a part of a processor all stop until the next period once it is used up, in the
    // middle of a step for which the others wait: with 1.5 processors two threads are slower than one.
    if (quota > 0 && quota < count) count = static_cast<int32_t>(quota);
    return std::max(count, 1);
}

int32_t usable_processors() {
    return threads_within(find_processors().numbers.size(), container_quota());
}

int32_t usable_cores() {
    return threads_within(static_cast<size_t>(find_processors().cores), container_quota());
}

}  // namespace hearth
