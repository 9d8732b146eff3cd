using System.Text.Json.Nodes;
using Hearth.Host.CommandLine;

namespace Hearth.Host.Tests;

public sealed class ConstrainVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    [Fact]
    public async Task Cases_are_walked_and_told_of_as_a_line_of_JSON_each()
    {
        Write("a.json", """{"schema": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}, "additionalProperties": false}, "tests": [{"valid": true, "data": {"n": 1.0}}, {"valid": false, "data": {"n": 16}}, {"valid": false, "data": {"m": 1}}]}""");
        Write("b.json", """{"schema": {"unevaluatedProperties": false}, "tests": []}""");
        Write("c.json", """[{"description": "one", "schema": {"enum": ["é"]}, "tests": [{"description": "", "valid": true, "data": "é"}]}]""");
        Write("d.json", "{");
        Assert.Equal(0, await RunAsync("constrain", EmberTests.FindModel(), "--cases", _folder.Path, "--json"));

        JsonNode[] lines = [.. _output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];
        Assert.Equal(5, lines.Length);
        Assert.Equal(["a.json", "b.json", "c.json/one", "d.json"], lines[..4].Select(line => line["case"]!.GetValue<string>()));
        Assert.Equal([true, false, false], lines[0]["tests"]!.AsArray().Select(test => test!["accepted"]!.GetValue<bool>()));
        Assert.Equal([null, 7, 2], lines[0]["tests"]!.AsArray().Select(test => test!["refused_at"]?.GetValue<int>()));
        Assert.Equal([true, false, true, false], lines[..4].Select(line => line["supported"]!.GetValue<bool>()));
        Assert.Contains("'unevaluatedProperties'", lines[1]["reason"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.True(lines[2]["tests"]![0]!["accepted"]!.GetValue<bool>());
        Assert.Contains("cannot be read as JSON", lines[3]["reason"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(4, lines[4]["cases"]!.GetValue<int>());
        Assert.True(lines[4]["mask_us"]!["mean"]!.GetValue<double>() > 0);
        Assert.Empty(_error.ToString());
    }

    [Theory]
    [InlineData("--grammar", "root ::= \"a\" [0-9]+")]
    [InlineData("--schema", """{"enum": [null, true]}""")]
    public async Task Texts_are_walked_through_one_constraint(string option, string source)
    {
        var file = Write("constraint", source);
        var texts = Write("texts", option == "--grammar" ? "a12\nab\n" : "null\nnul\n");
        Assert.Equal(0, await RunAsync("constrain", EmberTests.FindModel(), option, file, "--input", texts));

        Assert.Contains("text 1 is accepted", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("text 2 is refused at byte", _output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--cases")]
    [InlineData("--regex", "a", "--schema", "b")]
    [InlineData("--regex", "a", "--cases", "b")]
    public async Task One_source_of_texts_is_asked_for(params string[] arguments)
    {
        Assert.Equal(2, await RunAsync(["constrain", EmberTests.FindModel(), .. arguments]));
        Assert.NotEmpty(_error.ToString());
    }

    public void Dispose()
    {
        _folder.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.Path, name);
        File.WriteAllText(path, text);
        return path;
    }

    private Task<int> RunAsync(params string[] arguments)
    {
        var environment = new CommandEnvironment
        {
            Input = Stream.Null,
            Output = _output,
            Error = _error,
            Load = (_, _, _) => throw new InvalidOperationException("no model is loaded"),
        };
        return HearthCommand.RunAsync(arguments, environment, TestContext.Current.CancellationToken);
    }
}
