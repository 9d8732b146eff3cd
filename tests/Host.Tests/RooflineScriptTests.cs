using System.Diagnostics;
using System.Globalization;
using System.Xml.Linq;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Host.Tests;

/// <summary><c>scripts/roofline</c> on results that were kept. Skipped where bash or Python 3 is absent.</summary>
public sealed class RooflineScriptTests : IDisposable
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_kernel_is_one_point_and_repetitions_are_their_median()
    {
        var points = Points(await DrawAsync());
        Assert.Equal(
            [
                "attention, F16 cache, 1 row: 1.8 multiply-adds a byte, 50 G/s",
                "Q4_K, 1 row: 1.75 multiply-adds a byte, 49 G/s",
                "Q4_K, 64 rows: 112 multiply-adds a byte, 280 G/s",
                "Q8_0, 1 row: 0.938 multiply-adds a byte, 20 G/s",
            ],
            points.Select(point => point.Title));
    }

    [Fact]
    public async Task Points_lie_where_logarithmic_axes_have_their_counters()
    {
        var picture = await DrawAsync();
        var (x, y) = (Axis(picture, "tick-x", "x"), Axis(picture, "tick-y", "y"));
        (double Intensity, double Rate)[] expected = [(1.8, 50), (1.75, 49), (112, 280), (0.9375, 20)];
        var points = Points(picture);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.Equal(x(expected[i].Intensity), points[i].X, 0.1);
            // A tick's text stands a little below its line.
            Assert.Equal(y(expected[i].Rate) - 4, points[i].Y, 0.1);
        }
    }

    [Fact]
    public async Task The_roof_is_the_best_of_each_limit()
    {
        var picture = await DrawAsync();
        Assert.Equal(
            ["8-bit integers: 400 G/s", "float32: 100 G/s", "reading: 30.0 GB/s"],
            Texts(picture, "limit").Select(text => text.Value).Order(StringComparer.Ordinal));

        var (x, y) = (Axis(picture, "tick-x", "x"), Axis(picture, "tick-y", "y"));
        var slope = Roof(picture)[0];
        Assert.Equal(x(400.0 / 30), slope[2], 0.1);
        Assert.Equal(y(400) - 4, slope[3], 0.1);
    }

    [Fact]
    public async Task The_title_names_the_machine_and_no_label_lies_on_another()
    {
        var picture = await DrawAsync();
        Assert.Equal("Kernels under the roof of A <fast> & small processor (avx512), 2 threads", picture.Element(Svg + "title")!.Value);

        var labels = Texts(picture, "rows").Select(text => (X: Number(text, "x"), Y: Number(text, "y"))).ToList();
        Assert.Equal(["1", "1", "64", "1"], Texts(picture, "rows").Select(text => text.Value));
        for (var i = 0; i < labels.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                Assert.True(Math.Abs(labels[i].X - labels[j].X) >= 8 || Math.Abs(labels[i].Y - labels[j].Y) >= 11, $"labels {i} and {j} overlap");
            }
        }
    }

    [Theory]
    [InlineData("[]", "there is no list 'benchmarks'")]
    [InlineData("{", "not JSON")]
    [InlineData("""{"benchmarks": []}""", "the context does not tell 'threads'")]
    [InlineData("""{"context": {"processor": "p", "instruction_set": "avx2", "threads": "1"}, "benchmarks": [{"name": "pack/Q8_0"}]}""", "no benchmark named roofline/")]
    [InlineData("""{"context": {"processor": "p", "instruction_set": "avx2", "threads": "1"}, "benchmarks": [{"name": "roofline/linear/Q8_0/rows:1", "macs/byte": NaN}]}""", "macs/byte is nan")]
    [InlineData("""{"context": {"processor": "p", "instruction_set": "avx2", "threads": "1"}, "benchmarks": [{"name": "roofline/linear/Q8_0/rows:1", "macs/byte": -1}]}""", "macs/byte is -1")]
    public async Task Other_files_are_refused_in_one_line(string json, string expected)
    {
        var (results, output) = (_folder.Write("results.json", json), Path.Combine(_folder.Path, "roofline.svg"));
        var (status, error) = await RunAsync(results, output);
        Assert.Equal(1, status);
        Assert.Contains(expected, Assert.Single(error.TrimEnd().Split('\n')), StringComparison.Ordinal);
        Assert.False(File.Exists(output));
    }

    public void Dispose() => _folder.Dispose();

    private static List<(string Title, double X, double Y)> Points(XElement picture) =>
        [.. picture.Elements(Svg + "g").Where(group => (string?)group.Attribute("class") == "point").Select(group =>
        {
            var at = Numbers(group.Attribute("transform")!.Value["translate(".Length..^1], ' ');
            return (group.Element(Svg + "title")!.Value, at[0], at[1]);
        })];

    private static List<double[]> Roof(XElement picture) =>
        [.. picture.Elements(Svg + "path").Where(path => (string?)path.Attribute("class") == "roof")
            .Select(path => Numbers(path.Attribute("d")!.Value.TrimStart('M').Replace('L', ' '), ' '))];

    private static IEnumerable<XElement> Texts(XElement picture, string kind) =>
        picture.Elements(Svg + "text").Where(text => (string?)text.Attribute("class") == kind);

    /// <summary>Where an axis has a value, by its first and last tick.</summary>
    private static Func<double, double> Axis(XElement picture, string kind, string coordinate)
    {
        var ticks = Texts(picture, kind).Select(text => (Value: double.Parse(text.Value, CultureInfo.InvariantCulture), At: Number(text, coordinate))).ToList();
        var (first, last) = (ticks[0], ticks[^1]);
        return value => first.At + ((last.At - first.At) * Math.Log(value / first.Value) / Math.Log(last.Value / first.Value));
    }

    private static double Number(XElement element, string attribute) =>
        double.Parse(element.Attribute(attribute)!.Value, CultureInfo.InvariantCulture);

    private static double[] Numbers(string text, char separator) =>
        [.. text.Split(separator).Select(part => double.Parse(part, CultureInfo.InvariantCulture))];

    private async Task<XElement> DrawAsync()
    {
        var output = Path.Combine(_folder.Path, "roofline.svg");
        var (status, error) = await RunAsync(SharedFolder.Fixture("roofline", "results.json"), output);
        Assert.True(status == 0, error);
        await using var file = File.OpenRead(output);
        return (await XDocument.LoadAsync(file, LoadOptions.None, Token)).Root!;
    }

    private static async Task<(int Status, string Error)> RunAsync(string results, string output)
    {
        if (OperatingSystem.IsWindows() || !IsInstalled("bash") || !IsInstalled("python3"))
        {
            Assert.Skip("scripts/roofline needs bash and python3");
        }

        var script = Path.Combine(SharedFolder.Repository, "scripts", "roofline");
        var start = new ProcessStartInfo("bash", [script, "--json", results, "--output", output])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var told = process.StandardOutput.ReadToEndAsync(Token);
        var error = await process.StandardError.ReadToEndAsync(Token);
        await told;
        await process.WaitForExitAsync(Token);
        return (process.ExitCode, error);
    }

    private static bool IsInstalled(string command) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, command)));
}
