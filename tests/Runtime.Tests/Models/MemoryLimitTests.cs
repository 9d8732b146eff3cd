using Hearth.Runtime.Loading;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

public sealed class MemoryLimitTests : IDisposable
{
    private readonly TemporaryFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void Without_control_groups_it_is_the_machines_memory_with_its_swap()
    {
        Write("proc/meminfo", "MemTotal:        1000 kB\nMemFree: 10 kB\nSwapTotal:   24 kB\n");

        var found = MemoryLimit.Find(_root.Path);

        Assert.Equal((1024L << 10, 1024L << 10), (found.Limit, found.Available));
        Assert.Contains("machine", found.Origin, StringComparison.Ordinal);
    }

    [Fact]
    public void The_least_of_the_groups_above_holds_less_what_is_taken()
    {
        Write("proc/meminfo", "MemTotal: 9000000 kB\n");
        Write("proc/self/cgroup", "0::/service/inner\n");
        Write("sys/fs/cgroup/service/inner/memory.max", "max\n");
        Write("sys/fs/cgroup/service/memory.max", "500000\n");
        Write("sys/fs/cgroup/service/memory.stat", "anon 100000\nfile 390000\n");
        Write("sys/fs/cgroup/memory.max", "900000\n");

        var found = MemoryLimit.Find(_root.Path);

        Assert.Equal((500_000, 400_000), (found.Limit, found.Available));
        Assert.Contains("control group", found.Origin, StringComparison.Ordinal);
    }

    [Fact]
    public void Inside_a_container_the_top_of_the_mount_is_its_group()
    {
        Write("proc/meminfo", "MemTotal: 9000000 kB\n");
        Write("proc/self/cgroup", "0::/host/path/that/is/not/here\n");
        Write("sys/fs/cgroup/memory.max", "700000\n");
        Write("sys/fs/cgroup/memory.swap.max", "50000\n");

        Assert.Equal((700_000, 750_000), (MemoryLimit.Find(_root.Path).Limit, MemoryLimit.Find(_root.Path).Available));
    }

    [Fact]
    public void The_first_version_of_control_groups_is_read_too()
    {
        Write("proc/meminfo", "MemTotal: 9000000 kB\n");
        Write("proc/self/cgroup", "7:cpu,cpuacct:/a\n5:memory:/a\n");
        Write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "600000\n");
        Write("sys/fs/cgroup/memory/a/memory.stat", "cache 5\ntotal_rss 1000\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");

        Assert.Equal((600_000, 599_000), (MemoryLimit.Find(_root.Path).Limit, MemoryLimit.Find(_root.Path).Available));
    }

    private void Write(string path, string text)
    {
        var full = _root.File(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }
}
