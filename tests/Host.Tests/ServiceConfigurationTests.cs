using Hearth.Host.Service;
using Hearth.Runtime.Caching;
using Microsoft.Extensions.Configuration;

namespace Hearth.Host.Tests;

public sealed class ServiceConfigurationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_file_names_models_relative_to_itself()
    {
        var configuration = Read("""
            {"Urls": "http://*:8080", "Limits": {"BodyBytes": 4096, "RequestSeconds": 2.5},
             "Models": [{"Id": "a", "Path": "sub/a.gguf", "ContextLength": 128, "KeyType": "q8_0", "PrefixCaching": false}, {"Path": "b.gguf"}]}
            """);

        Assert.Equal("http://*:8080", configuration.Urls);
        Assert.Equal(4096, configuration.Limits.BodyBytes);
        Assert.Equal(2.5, configuration.Limits.RequestSeconds);
        Assert.Equal(Path.Combine(_folder.Path, "sub", "a.gguf"), configuration.Models[0].Path);
        Assert.Equal("b", configuration.Models[1].EffectiveId);
        var options = configuration.Models[0].ToOptions();
        Assert.Equal(("a", 128, CacheType.Q8_0, false), (options.Id, options.ContextLength, options.KeyType, options.PrefixCaching));
    }

    [Fact]
    public void A_model_may_say_what_it_is_for_and_how_it_pools()
    {
        var models = Read("""{"Models": [{"Path": "a.gguf", "Kind": "embedding", "Pooling": "cls"}, {"Path": "b.gguf"}]}""").Models;
        Assert.Equal((ModelUse.Embedding, PoolingName.Cls), (models[0].Kind, models[0].Pooling));
        Assert.Equal((null, null), (models[1].Kind, models[1].Pooling));
    }

    [Fact]
    public void Arguments_win_over_the_file()
    {
        var configuration = Read(
            """{"Urls": "http://localhost:1", "Models": [{"Path": "a.gguf"}, {"Path": "b.gguf"}]}""",
            new ServeArguments { Urls = "http://localhost:2", Models = [new ModelConfiguration { Path = "/c.gguf" }] });

        Assert.Equal("http://localhost:2", configuration.Urls);
        Assert.Equal("/c.gguf", Assert.Single(configuration.Models).Path);
    }

    [Fact]
    public void The_environment_wins_over_the_file()
    {
        const string variable = "HEARTH_LIMITS__REQUESTSECONDS";
        try
        {
            Environment.SetEnvironmentVariable(variable, "7");
            Assert.Equal(7, Read("""{"Limits": {"RequestSeconds": 5}, "Models": [{"Path": "a.gguf"}]}""").Limits.RequestSeconds);
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [Theory]
    [InlineData("{", "hearth.json")]
    [InlineData("""{"Modles": []}""", "Modles")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Thread": 2}]}""", "Thread")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Threads": "many"}]}""", "many")]
    [InlineData("""{"Models": [{"Id": "a"}]}""", "no path")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Kind": "Picture"}]}""", "Picture")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Kind": "7"}]}""", "unknown Kind")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Pooling": "0"}]}""", "unknown Pooling")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Kind": "Text", "Pooling": "mean"}]}""", "Pooling has no meaning")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}, {"Path": "b/a.gguf"}]}""", "'a'")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "localhost"}""", "localhost")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Limits": {"BodyBytes": 1}}""", "BodyBytes")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Limits": {"BodyBytes": 99999999999}}""", "BodyBytes")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Limits": {"RequestSeconds": 0}}""", "RequestSeconds")]
    public void What_cannot_be_used_is_named(string json, string named)
    {
        var error = Assert.Throws<HearthException>(() => Read(json));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_was_asked_for_must_exist()
        => Assert.Contains("nowhere.json", Assert.Throws<HearthException>(() => ConfigurationSources.FindFile("nowhere.json")).Message, StringComparison.Ordinal);

    public void Dispose() => _folder.Dispose();

    private ServiceConfiguration Read(string json, ServeArguments? arguments = null)
    {
        arguments = (arguments ?? new ServeArguments()) with { File = _folder.Write("hearth.json", json) };
        var builder = new ConfigurationBuilder();
        ConfigurationSources.Add(builder, arguments.File);
        return ServiceConfiguration.Read(builder.Build(), arguments);
    }
}
