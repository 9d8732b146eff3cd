using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Hearth.Host.CommandLine;
using Hearth.Host.Lens;
using Hearth.Host.Service;

namespace Hearth.Host.Tests;

public sealed class LensVerbTests : IDisposable
{
    private const string Prompt = "The cat sat on the mat.";
    private const string Hostile = "</script><img src=x onerror=alert(1)>";

    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    [Fact]
    public async Task Data_holds_every_head_of_every_layer()
    {
        var data = JsonNode.Parse(await LensAsync("a.json"))!;
        Assert.Equal("ember", data["model"]!.GetValue<string>());
        var tokens = data["tokens"]!.AsArray();
        Assert.Equal(Prompt, string.Concat(tokens.Select(token => token!["text"]!.GetValue<string>())));
        Assert.Empty(data["source_tokens"]!.AsArray());
        Assert.Equal(Enumerable.Range(0, 5), data["layers"]!.AsArray().Select(layer => layer!["layer"]!.GetValue<int>()));
        foreach (var layer in data["layers"]!.AsArray())
        {
            Assert.Equal("decoder", layer!["kind"]!.GetValue<string>());
            Assert.Null(layer["sinks"]);
            Assert.Equal(3, layer["heads"]!.AsArray().Count);
            foreach (var head in layer["heads"]!.AsArray())
            {
                Assert.Equal(tokens.Count, head!.AsArray().Count);
                Assert.All(head.AsArray(), row => Assert.Equal(1, row!.AsArray().Sum(weight => weight!.GetValue<double>()), 1e-5));
            }
        }
    }

    [Fact]
    public async Task The_page_holds_the_same_weights_and_needs_no_network()
    {
        var page = await LensAsync("a.html", "--layers", "1-2", "--heads", "1");
        var layers = JsonNode.Parse(await LensAsync("a.json", "--layers", "1-2", "--heads", "1"))!["layers"]!.AsArray();
        RequireSelfContained(page);
        var data = DataOf(page);
        Assert.Equal(2, data["layers"]!.AsArray().Count);
        Assert.Equal("The\u00B7", string.Concat(data["tokens"]!.AsArray().Take(2).Select(token => token!.GetValue<string>())));
        foreach (var (layer, expected) in data["layers"]!.AsArray().Zip(layers))
        {
            Assert.Equal((1, 1), (layer!["firstHead"]!.GetValue<int>(), layer["heads"]!.GetValue<int>()));
            var bytes = Convert.FromBase64String(layer["weights"]!.GetValue<string>());
            var weights = expected!["heads"]![0]!.AsArray().SelectMany(row => row!.AsArray()).Select(weight => weight!.GetValue<double>()).ToArray();
            Assert.Equal(weights.Length * 2, bytes.Length);
            for (var i = 0; i < weights.Length; i++)
                Assert.Equal(weights[i], BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(2 * i)) / 65535.0, 1e-5);
        }
    }

    [Fact]
    public async Task The_picture_has_a_matrix_for_each_head_with_its_tokens()
    {
        var picture = XDocument.Parse(await LensAsync("a.svg", "--layers", "0-1"));
        XNamespace svg = "http://www.w3.org/2000/svg";
        Assert.Equal(6, picture.Descendants(svg + "rect").Count(rect => (string?)rect.Attribute("class") == "m"));
        var texts = picture.Descendants(svg + "text").Select(text => text.Value).ToArray();
        Assert.Contains("decoder layer 1", texts);
        Assert.Equal(2, texts.Count(text => text == "head 2"));
        Assert.Contains("mat", texts);
        Assert.NotEmpty(picture.Descendants(svg + "path"));
        Assert.DoesNotContain(picture.Descendants().Attributes(), attribute => attribute.Name.LocalName is "href" or "src");
    }

    [Fact]
    public async Task Hostile_tokens_stay_text()
    {
        await using var model = await LanguageModel.LoadAsync(ModelLocator.FindDefault(), cancellationToken: TestContext.Current.CancellationToken);
        var maps = AttentionProbe.Run(model, [.. model.Tokenize("a b c")], cancellationToken: TestContext.Current.CancellationToken);
        maps = maps with { Model = Hostile, Tokens = [.. maps.Tokens.Select(token => token with { Text = Hostile + "\u202E\0\uFFFF&" })] };

        var page = Written(LensPage.Write, maps);
        RequireSelfContained(page);
        Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
        Assert.Equal(Hostile + "<U+202E><U+0000><U+FFFF>&", DataOf(page)["tokens"]![0]!.GetValue<string>().Replace('\u00B7', ' '));
        Assert.Contains(XDocument.Parse(Written(LensPicture.Write, maps)).Descendants(), element => element.Value.Contains("</script>", StringComparison.Ordinal));
        Assert.Equal(Hostile + "\u202E\0\uFFFF&", JsonNode.Parse(Written(LensData.Write, maps))!["tokens"]![0]!["text"]!.GetValue<string>());
    }

    [Theory]
    [InlineData(2, ".html, .svg, .json", "--prompt", "a", "--output", "a.png")]
    [InlineData(2, "--layers", "--prompt", "a", "--output", "a.html", "--layers", "3-1")]
    [InlineData(2, "--heads", "--prompt", "a", "--output", "a.html", "--heads", "x")]
    [InlineData(2, "--output", "--prompt", "a")]
    [InlineData(2, "--decoder-prompt", "--prompt", "a", "--output", "a.html", "--decoder-prompt", "b")]
    [InlineData(1, "0-4", "--prompt", "a", "--output", "a.html", "--layers", "4-5")]
    [InlineData(1, "0-2", "--prompt", "a", "--output", "a.html", "--heads", "3")]
    [InlineData(1, "empty", "--prompt", "", "--output", "a.html")]
    public async Task What_cannot_be_shown_is_said_in_one_line(int exitCode, string said, params string[] arguments)
    {
        var known = arguments.Select(argument => argument.StartsWith("a.", StringComparison.Ordinal) ? Path.Combine(_folder.Path, argument) : argument);
        Assert.Equal(exitCode, await RunAsync(["lens", ModelLocator.FindDefault(), .. known]));
        Assert.Contains(said, _error.ToString(), StringComparison.Ordinal);
        Assert.Single(_error.ToString().Trim().Split('\n'));
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_text_beyond_all_bounds_is_refused_with_what_fits()
    {
        var text = string.Concat(Enumerable.Repeat("word ", 100_000));
        Assert.Equal(1, await RunAsync("lens", ModelLocator.FindDefault(), "--prompt", text, "--output", Path.Combine(_folder.Path, "a.html")));
        Assert.Contains("at most 2048 fit", _error.ToString(), StringComparison.Ordinal);
        _error.GetStringBuilder().Clear();
        Assert.Equal(1, await RunAsync("lens", ModelLocator.FindDefault(), "--prompt", text[..4000], "--output", Path.Combine(_folder.Path, "a.html")));
        Assert.Contains("at most 4194304 are kept", _error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(" the", "\u00B7the")]
    [InlineData("\n\t", "\u21B5\u21E5")]
    [InlineData("", "\u2205")]
    [InlineData("\u0301a", "\u25CC\u0301a")]
    [InlineData("\u200D\u001B", "<U+200D><U+001B>")]
    public void Invisible_text_is_made_visible(string text, string visible) => Assert.Equal(visible, LensText.Visible(text));

    public void Dispose()
    {
        _folder.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    private static void RequireSelfContained(string page)
    {
        Assert.StartsWith("<!doctype html>", page, StringComparison.Ordinal);
        Assert.EndsWith("</html>", page.TrimEnd(), StringComparison.Ordinal);
        Assert.DoesNotMatch("(?i)https?:|<link|<img|<iframe|@import|url\\(|\\ssrc\\s*=|fetch\\(|XMLHttpRequest|import\\(", page);
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
        Assert.Equal(2, Regex.Count(page, "<script"));
        Assert.Equal(2, Regex.Count(page, "</script>"));
        foreach (var name in new[] { "html", "head", "body", "style", "main", "dialog", "div", "button", "details", "select", "h1", "h2", "h3", "label", "noscript" })
            Assert.Equal(Regex.Count(page, $"<{name}[ >]"), Regex.Count(page, $"</{name}>"));
    }

    private static JsonNode DataOf(string page)
        => JsonNode.Parse(Regex.Match(page, "<script type=\"application/json\" id=\"data\">(.*?)</script>", RegexOptions.Singleline).Groups[1].Value)!;

    private static string Written(Action<AttentionMaps, Stream> write, AttentionMaps maps)
    {
        using var stream = new MemoryStream();
        write(maps, stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private async Task<string> LensAsync(string name, params string[] arguments)
    {
        var path = Path.Combine(_folder.Path, name);
        Assert.Equal(0, await RunAsync(["lens", ModelLocator.FindDefault(), "--prompt", Prompt, "--output", path, .. arguments]));
        Assert.Empty(_error.ToString());
        return await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
    }

    private Task<int> RunAsync(params string[] arguments)
    {
        var environment = new CommandEnvironment { Input = Stream.Null, Output = _output, Error = _error, Load = ModelLoading.LoadAsync };
        return HearthCommand.RunAsync(arguments, environment, TestContext.Current.CancellationToken);
    }
}
