using System.Text;
using Hearth.Host.CommandLine;

namespace Hearth.Host.Tests;

/// <summary>What the command says of a word that it does not know.</summary>
public sealed class SuggestionTests
{
    [Theory]
    [InlineData("serv", "there is no command 'serv'; did you mean serve?")]
    [InlineData("Server", "there is no command 'Server'; did you mean serve?")]
    [InlineData("runn x", "there is no command 'runn'; did you mean run?")]
    [InlineData("genrate --prompt a", "there is no command 'genrate'; did you mean generate?")]
    [InlineData("tokeinze m", "there is no command 'tokeinze'; did you mean tokenize?")]
    [InlineData("banana", "there is no command 'banana' (")]
    [InlineData("--verbos", "there is no option '--verbos'; did you mean --verbose?")]
    [InlineData("serve --url http://127.0.0.1:1", "there is no option '--url'; did you mean --urls?")]
    [InlineData("generate m --temprature 1", "there is no option '--temprature'; did you mean --temperature?")]
    [InlineData("serve extra", "there is no argument 'extra' (")]
    [InlineData("", "a command is missing; there are: run, serve,")]
    public async Task A_mistyped_word_is_named_with_what_is_near(string line, string said)
    {
        using var error = new StringWriter();
        var environment = new CommandEnvironment
        {
            Input = new MemoryStream(),
            Output = new StringWriter(new StringBuilder()),
            Error = error,
            Load = (_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()),
        };
        Assert.Equal(2, await HearthCommand.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), environment, CancellationToken.None));
        Assert.StartsWith("hearth: " + said, error.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("--help)", error.ToString().TrimEnd(), StringComparison.Ordinal);
    }
}
